"""The command tree: each command's module and the first sentence of its help, in the order of the listings."""

from digest.cli.groups import Leaf, Noun

ARTICLES = {
    "import": Leaf("article_import:import_", "Import articles from files or folders."),
    "remove": Leaf("articles:remove", "Remove an article that is in no issue."),
    "list": Leaf("articles:list_", "List all articles."),
    "show": Leaf("articles:show", "Show one article as it is stored."),
    "archive": Leaf("archive_notes:keep_article_out", "Hide an article from the public archive, or show it again."),
    "export": Leaf("articles:export", "Write articles back to their Markdown files."),
}
ISSUE = {
    "assemble": Leaf("issue:assemble", "Choose and order a period's articles, with reasons."),
    "list": Leaf("issue_list:list_", "List all issues, newest first."),
    "show": Leaf("issue:show", "Show an issue's sections, articles and omissions."),
    "check": Leaf("issue:check", "Check every edition."),
    "waive": Leaf("issue:waive", "Accept a finding as it is, with a reason."),
    "approve": Leaf("issue:approve", "Approve the issue exactly as it is now."),
    "edit": Leaf("issue:edit", "Change an issue."),
    "verify": Leaf("issue_verify:verify_", "Compare a frozen issue's editions with a new build."),
    "correct": Leaf("issue_correct:correct", "Correct an article for the readers who got it."),
    "withdraw": Leaf("issue:withdraw", "Stop an issue permanently."),
    "archive": Leaf("archive_notes:keep_issue_out", "Hide an issue from the public archive, or show it again."),
    "note": Leaf("archive_notes:note", "Add a note above an issue's page in the archive."),
}
ARCHIVE = {"export": Leaf("archive:export", "Write or update the archive as a static site.")}
OUTBOX = {
    "status": Leaf("outbox_status:status", "Count an issue's deliveries by state."),
    "list": Leaf("outbox:list_", "List an issue's deliveries."),
    "show": Leaf("outbox:show", "Show one delivery and all its attempts."),
    "hold": Leaf("outbox:hold", "Stop starting an issue's deliveries until it is released."),
    "release": Leaf("outbox:release", "Resume an issue that is held."),
    "retry": Leaf("outbox:retry", "Make deferred or rejected deliveries due now."),
    "cancel": Leaf("outbox:cancel", "Cancel deliveries that have not started."),
    "reconcile": Leaf("reconcile:reconcile", "Resolve uncertain deliveries by evidence."),
    "resend": Leaf("outbox:resend", "Send an uncertain delivery again."),
}
SCHEDULE = {
    "run": Leaf("schedule_daemon:run", "Keep running and process scheduled work when it is due."),
    "next": Leaf("schedule:next_", "Forecast the next runs and explain each date."),
    "history": Leaf("schedule:history", "Show all runs that were due, with outcome and steps."),
    "skip": Leaf("schedule:skip", "Skip a period, so that its run does not start."),
    "release": Leaf("schedule:release", "Resume a run that is waiting because it is late."),
    "special": Leaf("schedule:special", "Create an issue outside the regular schedule."),
}
SUBSCRIBERS = {
    "import": Leaf("subscriber_files:import_", "Import readers from a file."),
    "export": Leaf("subscriber_files:export", "Export all readers, consents and the never-send list."),
    "add": Leaf("subscribers:add", "Add one reader."),
    "show": Leaf("subscribers:show", "Show all data held about one person."),
    "erase": Leaf("subscribers:erase", "Erase a person's data and check that none is left."),
    "form": Leaf("sign_up_form:form", "Print the sign-up form as HTML for other websites."),
    "stats": Leaf("subscriber_figures:stats", "Count readers and show how many would receive an issue."),
    "check": Leaf("subscriber_figures:check", "List confirmed readers whose address may be wrong."),
    "ask-to-confirm": Leaf("reconsent:ask_to_confirm", "Ask pending readers, such as imported ones, to confirm."),
    "retention": Leaf("retention:retention", "Delete data that [retention] no longer keeps."),
}
SUPPRESS = {
    "add": Leaf("suppress:add", "Never send to this address again."),
    "remove": Leaf("suppress:remove", "Take an address off the never-send list."),
    "lookup": Leaf("suppress:lookup", "Show whether and why an address is suppressed."),
    "list": Leaf("suppress:list_", "List the entries."),
}
FEEDBACK = {
    "ingest": Leaf("feedback:ingest", "Import bounces and complaints from files."),
    "poll": Leaf("feedback:poll", "Import bounces and complaints from mailboxes."),
}
DB = {
    "upgrade": Leaf("db:upgrade", "Upgrade the database to this version's schema."),
    "check": Leaf("db:check", "Check the database's connection, schema and integrity."),
    "backup": Leaf("backup:backup", "Back up the whole database to one file and check it."),
    "restore": Leaf("backup:restore", "Replace the database with a backup."),
    "copy": Leaf("db:copy", "Copy everything to an empty database and compare it."),
}
CONFIG = {
    "describe": Leaf("config:describe", "List all settings with defaults and meanings."),
    "check": Leaf("config:check", "Check the configuration and list every problem."),
    "deployment": Leaf("config:deployment", "Copy files for systemd, Docker and Prometheus."),
}
DKIM = {
    "generate": Leaf("dkim:generate", "Create a DKIM key and print its DNS record."),
    "show": Leaf("dkim:show", "Print the DNS record of a DKIM key."),
}
LINKS = {
    "list": Leaf("links:list_", "List the keys, newest first."),
    "rotate": Leaf("links:rotate", "Create a new key for signing links from now on."),
    "retire": Leaf("links:retire", "Permanently remove a key."),
}
USER = {
    "add": Leaf("user:add", "Create or renew an account for the desk."),
    "list": Leaf("user:list_", "List the accounts with their roles."),
    "disable": Leaf("user:disable", "Disable an account and end its sessions."),
}
COMMANDS: dict[str, Leaf | Noun] = {
    "init": Leaf("workspace:init", "Create a workspace."),
    "demo": Leaf("workspace:demo", "Publish a sample issue into a local Maildir."),
    "editions": Leaf("editions:editions", "Print the matrix of editions, articles and readers."),
    "preview": Leaf("preview:preview", "Show every edition in the browser, before you send it."),
    "desk": Leaf("preview:desk", "Open the editors' desk in the browser, on this machine."),
    "send": Leaf("send:send", "Send the approved issue, one email to each reader."),
    "worker": Leaf("worker:worker", "Deliver from the outbox until nothing is due."),
    "serve": Leaf("serve:serve", "Serve the public pages, archive, feeds and health check."),
    "sink": Leaf("sink:sink", "Run a local mail server that keeps and shows all email."),
    "doctor": Leaf("doctor:doctor", "Find problems in the installation and show remedies."),
    "tell": Leaf("tell:tell", "Send a test notification to the operators."),
    "metrics": Leaf("metrics:metrics", "Print metrics in the Prometheus text format."),
    "audit": Leaf("audit:audit", "List who did what, the newest first."),
    "tick": Leaf("tick:tick", "Run any scheduled work that is due, then exit."),
    "report": Leaf("report:report", "Report on an issue: who received it, who did not, and why."),
    "articles": Noun("Import, list, show and export articles.", ARTICLES),
    "issue": Noun("Assemble, check, edit, approve or withdraw an issue.", ISSUE),
    "archive": Noun("Export the public archive as a static site.", ARCHIVE),
    "outbox": Noun("Show, hold, release, retry or cancel deliveries.", OUTBOX),
    "schedule": Noun("Run, forecast and change the publication's schedule.", SCHEDULE),
    "subscribers": Noun("Import, export, add, show and erase readers.", SUBSCRIBERS),
    "suppress": Noun("Manage the never-send list.", SUPPRESS),
    "feedback": Noun("Import bounces and complaints.", FEEDBACK),
    "db": Noun("Upgrade, check, back up and restore the database.", DB),
    "config": Noun("Describe and check the configuration.", CONFIG),
    "dkim": Noun("Create DKIM signing keys and show their DNS records.", DKIM),
    "links": Noun("List, rotate and retire the keys that sign links.", LINKS),
    "user": Noun("Manage the accounts for the desk.", USER),
}
