"""The command tree: each command's module and the first sentence of its help, in the order of the listings."""

from digest.cli.groups import Leaf, Noun

ARTICLES = {
    "import": Leaf("article_import:import_", "Import articles."),
    "remove": Leaf("articles:remove", "Remove an article that no issue carries."),
    "list": Leaf("articles:list_", "List all articles."),
    "show": Leaf("articles:show", "Show one article as it is stored."),
    "archive": Leaf(
        "archive_notes:keep_article_out",
        "Keep an article, with its translations, out of the public archive, or show it again.",
    ),
    "export": Leaf("articles:export", "Write the articles back as Markdown files, each where it came from."),
}
ISSUE = {
    "assemble": Leaf("issue:assemble", "Choose and order the period's articles, and say why for each."),
    "list": Leaf("issue_list:list_", "List all issues, the newest first."),
    "show": Leaf("issue:show", "Show an issue's sections and articles, and what was left out and why."),
    "check": Leaf("issue:check", "Check every edition; exit code 1 if something blocks."),
    "waive": Leaf("issue:waive", "Let a finding stand as it is now, with a reason."),
    "approve": Leaf("issue:approve", "Approve the issue exactly as it is now; any later change voids it."),
    "edit": Leaf("issue:edit", "Change an issue by hand."),
    "verify": Leaf(
        "issue_verify:verify_",
        "Compare a frozen issue's stored editions with their hashes and with a new build; exit code 1 if one differs.",
    ),
    "withdraw": Leaf(
        "issue:withdraw", "Stop an issue for good: what was not started is cancelled; the number is not used again."
    ),
    "archive": Leaf("archive_notes:keep_issue_out", "Keep an issue out of the public archive, or show it again."),
    "note": Leaf(
        "archive_notes:note", "Put a note above an issue's page in the archive, such as where a correction is."
    ),
}
ARCHIVE = {
    "export": Leaf("archive:export", "Write all issues, pictures and feeds, or bring an earlier export up to date.")
}
OUTBOX = {
    "status": Leaf(
        "outbox_status:status", "Print how many deliveries are in each state; the numbers add up to what was planned."
    ),
    "list": Leaf("outbox:list_", "List an issue's deliveries."),
    "show": Leaf("outbox:show", "Show one delivery with every attempt."),
    "hold": Leaf("outbox:hold", "Stop an issue: nothing more is started until it is released."),
    "release": Leaf("outbox:release", "Let a held issue go on."),
    "retry": Leaf(
        "outbox:retry",
        "Make deferred or rejected deliveries due at once, in an issue that was sent, too: those named, or all.",
    ),
    "cancel": Leaf("outbox:cancel", "Cancel what has not been started: the deliveries named, or all of the issue."),
    "reconcile": Leaf(
        "reconcile:reconcile",
        "Resolve uncertain deliveries by evidence: a relay's log, delivery reports, or a person's word.",
    ),
    "resend": Leaf(
        "outbox:resend", "Send an uncertain delivery once more, because a person decided that it did not arrive."
    ),
}
SCHEDULE = {
    "run": Leaf(
        "schedule_daemon:run", "Stay and look at the clock when a run is due, at start-up and every five minutes."
    ),
    "next": Leaf("schedule:next_", "Forecast the next runs, each with its reason."),
    "history": Leaf(
        "schedule:history", "Show every run that was due: what became of it, who had it, and when each step was done."
    ),
    "skip": Leaf("schedule:skip", "Leave a period out: its run will not happen by itself."),
    "release": Leaf(
        "schedule:release", 'Let a run go on that waits because it is later than allowed ([schedule] late = "ask").'
    ),
    "special": Leaf(
        "schedule:special",
        "Make an issue outside the calendar; it is checked, approved and sent at its time as every other.",
    ),
}
SUBSCRIBERS = {
    "import": Leaf("subscriber_files:import_", "Import readers."),
    "export": Leaf(
        "subscriber_files:export",
        "Write all readers with their consent and the never-send list, as the import takes it.",
    ),
    "add": Leaf("subscribers:add", "Add one reader."),
    "show": Leaf(
        "subscribers:show",
        "Show everything that is known about one person; with --json it is the answer to a request for their data.",
    ),
    "erase": Leaf(
        "subscribers:erase",
        "Erase a person, then look for them in every table and file: nothing personal stays but a keyed hash.",
    ),
    "form": Leaf("sign_up_form:form", "Print the sign-up form as HTML to put into pages of other sites."),
    "stats": Leaf(
        "subscriber_figures:stats",
        "Count readers by state, language, interest, frequency and format; who gets an issue now, and why others not.",
    ),
    "check": Leaf(
        "subscriber_figures:check",
        "List confirmed readers whom no issue has reached, whose domain looks mistyped, or who are a role's mailbox.",
    ),
    "ask-to-confirm": Leaf(
        "reconsent:ask_to_confirm",
        "Ask the pending ones, such as those of an import, to confirm: once each, and so many an hour.",
    ),
    "retention": Leaf(
        "retention:retention", "Forget what [retention] keeps only for a time, and ask again whom it wants asked."
    ),
}
SUPPRESS = {
    "add": Leaf("suppress:add", "Never send to this address again."),
    "remove": Leaf(
        "suppress:remove", "Take an address off the list; what the person said themselves (unsubscribed, erased) stays."
    ),
    "lookup": Leaf("suppress:lookup", "Say whether and why an address is on the list, and what has come back from it."),
    "list": Leaf("suppress:list_", "List the entries; addresses are kept as keyed hashes only."),
}
FEEDBACK = {
    "ingest": Leaf("feedback:ingest", "Take in bounces and complaints."),
    "poll": Leaf(
        "feedback:poll", "Take in what has come to the mailboxes of [[feedback.mailbox]], by IMAP or as Maildirs."
    ),
}
DB = {
    "upgrade": Leaf(
        "db:upgrade",
        "Bring the database to this version's schema, and name the approvals that this version voids; safe to repeat.",
    ),
    "check": Leaf("db:check", "Say whether the database is reachable, has this version's schema, and is not damaged."),
    "backup": Leaf(
        "backup:backup",
        "Write the whole database into one file, readable by you only, and check it; the database may be in use.",
    ),
    "restore": Leaf("backup:restore", "Put a backup in the place of the database."),
    "copy": Leaf("db:copy", "Copy everything into an empty database and compare every row."),
}
CONFIG = {
    "describe": Leaf("config:describe", "List every setting with its default, environment name and meaning."),
    "check": Leaf("config:check", "Read the configuration as every command does; every problem is named."),
}
DKIM = {
    "generate": Leaf(
        "dkim:generate", "Make a key file in the workspace; print the DNS record and the lines for digest.toml."
    ),
    "show": Leaf("dkim:show", "Print the DNS record of a key again."),
}
LINKS = {
    "list": Leaf("links:list_", "List the keys, newest first: the first one signs, all verify."),
    "rotate": Leaf("links:rotate", "Make a new key that signs from now on."),
    "retire": Leaf("links:retire", "Take a key out for good."),
}
COMMANDS: dict[str, Leaf | Noun] = {
    "init": Leaf(
        "workspace:init", "Make a workspace: digest.toml, secrets, articles/, templates/ for overrides, digest.db."
    ),
    "demo": Leaf(
        "workspace:demo",
        "Do the main job on the sample: import, assemble, approve and deliver issue 21 into a Maildir.",
    ),
    "editions": Leaf("editions:editions", "Print the matrix: edition × articles × readers."),
    "preview": Leaf(
        "preview:preview",
        "Show every edition as each kind of reader will see it, on loopback, reloading when a file changes.",
    ),
    "send": Leaf("send:send", "Freeze the approved issue and deliver it, exactly one mail for each reader."),
    "worker": Leaf("worker:worker", "Deliver from the outbox until nothing is due or it is told to stop."),
    "serve": Leaf(
        "serve:serve", "Serve subscribe, confirm, preferences, unsubscribe, view, archive, feeds, media and health."
    ),
    "sink": Leaf("sink:sink", "Take mail on loopback, keep it as a Maildir and show it."),
    "doctor": Leaf(
        "doctor:doctor",
        "Look at configuration, secrets, database, relays, DNS, calendar and outbox; say what is wrong and what to do.",
    ),
    "tell": Leaf(
        "tell:tell", "Tell the operators that this is a test, by mail and by webhook, and say what became of it."
    ),
    "metrics": Leaf(
        "metrics:metrics",
        "Print figures in the text format of Prometheus: outbox, attempts, runs, workers, build times.",
    ),
    "tick": Leaf("tick:tick", "Look at the clock once: start or go on with what is due."),
    "report": Leaf(
        "report:report",
        "Account for an issue: every reader of it in numbers that add up, and who did not get it and why; or for all.",
    ),
    "articles": Noun("Import, list, show and export articles.", ARTICLES),
    "issue": Noun("Assemble, check, approve, edit and withdraw an issue.", ISSUE),
    "archive": Noun("Write the public archive as a static site.", ARCHIVE),
    "outbox": Noun("How deliveries stand; hold, release, retry, cancel, resend.", OUTBOX),
    "schedule": Noun("Run on the publication's calendar.", SCHEDULE),
    "subscribers": Noun("Import, export, add, show and erase readers.", SUBSCRIBERS),
    "suppress": Noun("The never-send list.", SUPPRESS),
    "feedback": Noun("Bounces and complaints: take them in from files or mailboxes.", FEEDBACK),
    "db": Noun("Upgrade, check, back up and restore the database.", DB),
    "config": Noun("Describe and check the configuration.", CONFIG),
    "dkim": Noun("Keys for signing mail ourselves (DKIM), and their DNS records.", DKIM),
    "links": Noun("Keys of the signed links in mails: list, rotate, retire.", LINKS),
}
