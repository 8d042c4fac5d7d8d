"""Findings in words for editors, in the desk's language: what each kind is about, and what to do at the desk.

The command line has its own words, with files, lines and options.
"""

from collections.abc import Callable


def finding_words(translate: Callable[[str], str]) -> dict[str, tuple[str, str]]:
    """Return title and advice by the id of a finding."""
    _ = translate
    by_templates = _("Someone has to correct the templates.")
    return {
        "issue-empty": (_("The issue has no articles"), _("Write some, or add them to the issue.")),
        "no-readers": (_("No reader would get the issue"), _("Import readers, then check again.")),
        "correction-unwritten": (
            _("The correction has no text"),
            _("Write what was wrong and what is right, in each language."),
        ),
        "edition-empty": (
            _("Some readers would get no articles"),
            _("Add an article for everyone, or have the settings changed."),
        ),
        "rendered-whole": (_("The templates make building slow"), by_templates),
        "section-unknown": (_("A section no longer exists"), _("Move its articles to another section.")),
        "article-in-no-edition": (_("No reader can get an article"), _("Translate it, or drop it from the issue.")),
        "article-untranslated": (_("Articles lack a translation"), _("Open an article and choose “Translate into …”.")),
        "article-placeholder": (_("The example article is in the issue"), _("Drop it from the issue, or rewrite it.")),
        "article-title-only": (_("An article has only a title"), _("Add a text or a summary.")),
        "title-repeated": (_("Two articles have the same title"), _("Change one title, or drop one article.")),
        "apply-by-past": (
            _("A call closes before the issue appears"),
            _("Correct the closing date, or drop the article."),
        ),
        "placeholder": (_("A text looks unfinished"), _("Write what readers should see.")),
        "link-shortened": (_("A short link hides where it leads"), _("Link to the page itself.")),
        "link-tracking": (_("A link tells where readers come from"), _("Remove these parameters from the address.")),
        "image-alt-name": (_("A picture’s description is only a file name"), _("Write what the picture shows.")),
        "kept-out-of-archive": (
            _("Emails link to an article that the archive hides"),
            _("Show it in the archive, or show it in full in emails."),
        ),
        "subject-empty": (_("The subject is empty"), _("Write one.")),
        "subject-control": (_("The subject contains a line break or invisible characters"), _("Write it again.")),
        "subject-reply": (_("The subject looks like a reply"), _("Leave out “Re:” and “Fwd:”.")),
        "subject-long": (
            _("The subject is long, and inboxes will cut it"),
            _("Shorten it, or put what matters first."),
        ),
        "preheader-subject": (
            _("The preheader repeats the subject"),
            _("Write something that the subject doesn’t say."),
        ),
        "title-subject": (_("The page title isn’t the subject"), by_templates),
        "slot-missing": (_("Something that each reader needs is missing"), by_templates),
        "slot-doubled": (_("A personal link stands where it can’t work"), by_templates),
        "leftover": (_("A part of the template was not filled in"), by_templates),
        "postal-missing": (_("The sender’s postal address is missing"), _("Fill it in on the Look page.")),
        "postal-placeholder": (_("The postal address is only an example"), _("Fill in the real one on the Look page.")),
        "text-empty": (_("The plain-text part is empty"), by_templates),
        "text-order": (_("The two parts of the email have different articles"), by_templates),
        "text-link-missing": (_("The plain-text part lacks a link"), by_templates),
        "html-size": (
            _("The email is too long for Gmail"),
            _("Show more articles as summaries, or move some to the next issue."),
        ),
        "shown-as-summary": (
            _("Articles are shortened to keep the email short"),
            _("To choose which, set an article’s form in emails."),
        ),
        "shown-as-title": (_("Articles are shown as titles only"), _("Move some to the next issue.")),
        "style-size": (_("The styles are too long for Gmail"), by_templates),
        "mail-weight": (_("The pictures are large"), _("Use JPEG photographs about 1,200 pixels wide.")),
        "contrast": (_("A text is hard to read on its background"), _("Change the colours on the Look page.")),
        "theme-colour": (_("A colour is written wrongly"), _("Choose it again on the Look page.")),
        "language-missing": (_("The email doesn’t name its language"), by_templates),
        "heading-one": (_("The email needs exactly one main heading"), by_templates),
        "heading-empty": (_("A heading has no text"), _("Remove it, or write its text.")),
        "heading-order": (_("A heading skips a level"), _("Use the next level.")),
        "table-role": (_("A table has no headings"), _("Give it a first row of headings.")),
        "image-alt": (_("A picture has no description"), _("Write what the picture shows.")),
        "image-width": (_("A picture has no width"), by_templates),
        "image-remote": (_("A picture comes from another server"), _("Upload the picture to the article.")),
        "link-empty": (_("A link has no address"), _("Write its address, or remove it.")),
        "link-broken": (_("A link’s address is not valid"), _("Correct its address.")),
        "link-dead": (_("A link leads nowhere"), _("Correct its address, or remove it.")),
        "link-relative": (_("A link works on a website only"), _("Write its whole address, beginning with https://.")),
        "link-local": (_("A link works on this computer only"), _("Write the public address.")),
        "link-http": (_("A link is not encrypted"), _("Try it with https://.")),
        "link-words": (
            _("A link’s words don’t say where it leads"),
            _("Name the page: many readers hear links out of context."),
        ),
        "link-words-missing": (_("A link has no words"), _("Write them.")),
        "link-label": (_("A link’s label differs from its words"), by_templates),
        "id-doubled": (_("Two parts of the email have the same id"), by_templates),
        "target-missing": (_("A link within the email has no target"), _("Correct or remove it.")),
    }
