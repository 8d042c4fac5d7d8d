"""How much our own work costs beside the libraries': building editions, composing mails, starting the command.

Every figure is a ratio of medians of runs taken in turn, in one process on one machine, so that a noisy neighbour slows
both sides alike. Nothing is asserted: the reader compares with the bound printed beside it.
"""

import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import measure
from sqlmodel import Session, select

from digest import app
from digest.articles.models import Article
from digest.editions import store as editions
from digest.editions.models import Edition
from digest.editions.segment import Selection
from digest.issues import store as issues
from digest.issues.period import Period
from digest.outbox.tables import Promised
from digest.outbox.take import Recipient, Taken
from digest.publish import build, lifecycle
from digest.publish.renderer import IssueRenderer
from digest.render import inline, mjml
from digest.render.content import IssueContent
from digest.render.edition import Rendered
from digest.render.loader import Templates
from digest.render.slots import Slot, SlotContext, fill
from digest.runtime.db import session_scope
from digest.workspace import create
from subscribers.links import Purpose
from subscribers.models import Subscriber

QUICK = "--quick" in sys.argv  # says whether it runs at all; the figures mean nothing then
EDITIONS, ARTICLES, ROUNDS, READERS = (3, 12, 1, 40) if QUICK else (100, 12, 5, 2_000)
NOW = datetime(2021, 9, 30, tzinfo=UTC)


def stocked(directory: Path) -> tuple[app.App, list[Selection]]:
    """A workspace with an issue of 26 articles, and a hundred distinct choices of twelve of them."""
    made = create.create(directory, sample=True)
    works = app.open_app(directory)
    create.import_sample(made, works)
    with session_scope(works.engine) as session:
        originals = session.exec(select(Article).where(Article.slug == Article.group)).all()
        for article in originals:
            copy = article.model_dump(exclude={"id", "slug", "group"})
            session.add(Article(**copy, slug=f"{article.slug}-2", group=f"{article.slug}-2"))
    with session_scope(works.engine) as session:
        period = Period(2021, 9)
        issue = lifecycle.assemble(works.publisher, session, period, number=21, issue_date=period.last, now=NOW)
        content = build.content_of(session, issue)
    groups, rng = list(content.sections), random.Random(21)
    selections: dict[tuple[str, ...], Selection] = {}
    while len(selections) < EDITIONS:
        chosen = sorted(rng.sample(groups, ARTICLES), key=groups.index)
        shown = tuple((group, content.sections[group]) for group in chosen)
        rest = tuple(group for group in groups if group not in chosen)
        selections[tuple(chosen)] = Selection("en", shown, rest)
    return works, list(selections.values())


def content_from_database(works: app.App) -> IssueContent:
    """Read the issue and its articles."""
    with Session(works.engine) as session:
        return build.content_of(session, issues.find(session, 21))


def build_all(works: app.App, selections: list[Selection], cache: dict[str, Any] | None = None) -> list[Rendered]:
    """Ours: from the database to checked editions; without a cache nothing was rendered before."""
    renderer = IssueRenderer(works.publisher, content_from_database(works), cache)
    renderer.prepare(selections)
    made = [renderer.rendered(selection) for selection in selections]
    assert not renderer.whole_because, renderer.whole_because
    return made


class Recorder:
    """Writes down what the bare libraries were called with, so that the very same calls can be timed alone."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], Any]] = []

    def record(self, work: Callable[[], Any]) -> None:
        """Run once with the seams tapped."""
        render, renderer, transform = Templates.render, mjml._renderer, inline._Inliner
        mjml2html = renderer()
        calls = self.calls

        def tapped_render(self: Templates, name: str, language: str, context: Any) -> str:
            template = self._environment(language).get_template(name)
            calls.append(lambda: template.render(context))
            return render(self, name, language, context)

        def tapped_mjml2html(source: str, **options: Any) -> str:
            calls.append(lambda: mjml2html(source, **options))
            return mjml2html(source, **options)

        def tapped_premailer(*args: Any, **options: Any) -> Any:
            plain = {**options, "cache_css_parsing": True}  # the library's own cache, in the place of ours
            calls.append(lambda: inline.Premailer(*args, **plain).transform(pretty_print=False))
            return transform(*args, **options)

        compare = IssueRenderer._compare
        IssueRenderer._compare = lambda *_, **__: None  # type: ignore[method-assign]  # ours alone, not the libraries' work
        Templates.render, inline._Inliner = tapped_render, tapped_premailer  # type: ignore[method-assign,assignment,misc]
        mjml._renderer = lambda: tapped_mjml2html  # type: ignore[assignment]
        try:
            work()
        finally:
            Templates.render, inline._Inliner = render, transform  # type: ignore[method-assign,misc]
            mjml._renderer = renderer
            IssueRenderer._compare = compare  # type: ignore[method-assign]

    def replay(self) -> None:
        """The bare library calls, nothing else."""
        for call in self.calls:
            call()


def timed(work: Callable[[], Any]) -> float:
    """Return seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[float, float, float]:
    """Return the medians of both and the median of their ratios, taken pair by pair."""
    pairs = [(timed(ours), timed(theirs)) for _ in range(ROUNDS)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def show(what: str, figure: str, bound: str) -> None:
    """Print one row."""
    print(f"{what:<66} {figure:>12}   bound {bound}", flush=True)


def bench_building(works: app.App, selections: list[Selection]) -> None:
    """Row 1."""
    recorder = Recorder()
    recorder.record(lambda: build_all(works, selections))
    ours, bare, ratio = in_turn(lambda: build_all(works, selections), recorder.replay)
    what = f"{len(selections)} editions / the bare library calls, each article once in each form"
    show(what, f"{ratio:.2f} x", "at most 2 x")
    print(f"    ours {ours:.2f} s, Jinja + mjml2html + premailer alone {bare:.2f} s, {len(recorder.calls)} calls")
    cache: dict[str, Any] = {}
    build_all(works, selections, cache)
    again, cold, ratio = in_turn(lambda: build_all(works, selections, cache), lambda: build_all(works, selections))
    show("the same again, nothing changed / cold", f"{ratio:.2f} x", "at most 0.5 x")
    print(f"    again {again:.2f} s, cold {cold:.2f} s")
    bench_preview(works, selections[len(selections) // 2], cache)


def bench_preview(works: app.App, selection: Selection, cache: dict[str, Any]) -> None:
    """Row 1, after one of the edition's articles changed."""
    content = content_from_database(works)
    slug = selection.shown[-1][0]
    (article,) = [one for group in content.articles.values() for one in group.values() if one.slug == slug]

    def preview() -> None:
        article.body += "\n\nOne more paragraph."
        IssueRenderer(works.publisher, content, cache).rendered(selection)

    recorder = Recorder()
    recorder.record(preview)
    ours, bare, ratio = in_turn(preview, recorder.replay)
    what = f"a changed article: preview of its {len(selection.shown)} articles / its bare library calls"
    show(what, f"{ratio:.2f} x", "at most 3 x")
    print(f"    ours {ours * 1000:.0f} ms, bare {bare * 1000:.0f} ms, {len(recorder.calls)} calls")


def bench_commands(directory: Path) -> None:
    """Rows of many editions: what commands take beside `digest issue show`, in seconds of CPU."""
    for interests, articles, readers, commands in WORLDS:
        folder = directory / f"{interests}-interests"
        works = crowded(folder, interests, articles, readers)
        with Session(works.engine) as session:
            editions = build.build(works.publisher, session, issues.find(session, 21), NOW).editions
        count = len(editions)
        if interests < 10:
            bench_building(works, [edition.selection for edition in editions])
        digest = [sys.executable, "-m", "digest", "--workspace", str(folder)]
        shutil.rmtree(folder / ".state")
        bare = measure.run([*digest, "issue", "show"], folder=directory).cpu
        for command in commands:
            try:
                run = measure.run([*digest, *command.split()], folder=directory)
            except measure.FailedError as error:
                print(f"    {command}: {str(error)[-200:]}")
                continue
            what = f"{count:,} editions of {articles} articles at most: digest {command}"
            show(what, f"{run.cpu - bare:.1f} s", "at most 10 s, 250 MiB" if interests == 10 else "see docs")
            print(f"    {run.peak:.0f} MiB at its peak, `digest issue show` {bare:.1f} s")


WORLDS = (
    [(3, 12, 40, ("editions", "editions"))]
    if QUICK
    else [
        (6, 40, 252, ("editions", "editions")),
        (10, 40, 10_000, ("editions", "editions", "issue check", "issue approve --by Bench", "send --yes")),
    ]
)


def crowded(directory: Path, interests: int, articles: int, readers: int) -> app.App:
    """A workspace whose readers choose every combination of interests, in two languages."""
    made = create.create(directory, sample=True)
    create.import_sample(made, app.open_app(directory))
    names, config = [f"interest-{number}" for number in range(interests)], directory / "digest.toml"
    before, _, rest = config.read_text().partition("[[interest]]")
    tables = "".join(f'[[interest]]\nslug = "{name}"\ntitle = "About {name}"\n\n' for name in names)
    config.write_text(f"{before}{tables}[editions]{rest.partition('[editions]')[2]}")
    works = app.open_app(directory)
    with session_scope(works.engine) as session:
        groups: dict[str, list[dict[str, Any]]] = {}
        for article in session.exec(select(Article)).all():
            groups.setdefault(article.group, []).append(article.model_dump(exclude={"id", "display"}))
            session.delete(article)
        session.flush()
        for number in range(articles):
            copy, of_group = divmod(number, len(groups))
            for row in groups[sorted(groups)[of_group]]:
                names_of = {key: f"{row[key]}-{copy}" for key in ("slug", "group")}
                topics = [names[number % interests]] if number >= 2 else []
                session.add(Article(**row | names_of | {"topics": topics, "title": f"{row['title']} ({number})"}))
        one = session.exec(select(Subscriber)).first()
        assert one
        row = one.model_dump(exclude={"id"}) | {"state": "confirmed", "paused_until": None, "frequency": "every"}
        subsets = 2**interests - 1
        for number in range(readers):
            chosen = ";".join(name for bit, name in enumerate(names) if (number % subsets + 1) >> bit & 1)
            address = f"crowd{number}@example.org"
            own = {"ref": f"{number:032x}", "address": address, "address_key": address, "suppression_key": None}
            session.add(
                Subscriber(**row | own | {"interests": chosen, "language": ("en", "ko")[number // subsets % 2]})
            )
    with session_scope(works.engine) as session:
        period = Period(2021, 9)
        lifecycle.assemble(works.publisher, session, period, number=21, issue_date=period.last, now=NOW)
    return works


def bench_composing(works: app.App, selection: Selection) -> None:
    """Row 2."""
    content = content_from_database(works)
    rendered = build.render_selection(works.publisher, content, selection).rendered
    with session_scope(works.engine) as session:
        edition = Edition(
            issue_id=content.issue.id or 0,
            content_hash="",
            created_at=NOW,
            language="en",
            articles=[],
            subject=rendered.subject,
            preheader=rendered.preheader,
            nonce=rendered.nonce,
        )
        edition_id = editions.save(session, edition, [rendered.html], [rendered.text])
        works.delivery.writer.prepare(session, [edition_id])
    people = [taken(number, edition_id) for number in range(READERS)]

    def ours() -> None:
        for one in people:
            b"".join(works.delivery.writer.delivery(one, NOW).message)

    few = people[:20]

    def theirs() -> None:
        for one in few:
            plain_message(works, rendered, one)

    pairs = [(timed(ours) / len(people), timed(theirs) / len(few)) for _ in range(ROUNDS)]
    ours_each, theirs_each = (statistics.median(column) for column in zip(*pairs, strict=True))
    show("mails composed per second / by EmailMessage", f"{theirs_each / ours_each:.0f} x", "at least 80 x")
    print(f"    ours {1 / ours_each:,.0f}/s, EmailMessage {1 / theirs_each:,.0f}/s; links signed in both")


def taken(number: int, edition_id: int) -> Taken:
    """One reader of many, with a name and an address of their own."""
    address = f"reader{number}@example.org"
    reader = Recipient(f"{number:032x}", address, f"Reader {number}", "en", "html", "mobility;safety")
    return Taken(Promised.DELIVERY, number, f"{number:032x}", "", 1, NOW, NOW, edition_id, "", reader)


def plain_message(works: app.App, rendered: Rendered, one: Taken) -> bytes:
    """The same mail by the standard library: slots replaced, then EmailMessage with both parts."""
    links = {
        Slot.PREFERENCES_URL: works.signer.url(Purpose.PREFERENCES, one.reader.ref, now=NOW),
        Slot.UNSUBSCRIBE_URL: works.signer.url(Purpose.UNSUBSCRIBE, one.reader.ref),
        Slot.VIEW_URL: works.signer.url(Purpose.VIEW, "0" * 64),
        Slot.INTERESTS: "Mobility, Safety",
        Slot.TEST_MARK: "",
    }
    message = EmailMessage(policy=SMTP)
    message["From"] = "Smart City Policy Centre <newsletter@example.org>"
    message["To"] = f"{one.reader.name} <{one.reader.address}>"
    message["Subject"] = rendered.subject
    message["Message-ID"] = works.delivery.writer.message_id(21, one.reader.ref)
    message["List-Unsubscribe"] = f"<{links[Slot.UNSUBSCRIBE_URL]}>"
    message.set_content(fill(rendered.text, rendered.nonce, links, SlotContext.PLAIN))
    message.add_alternative(fill(rendered.html, rendered.nonce, links, SlotContext.HTML), subtype="html")
    return message.as_bytes()


def bench_help() -> None:
    """Row 3."""
    run = lambda *arguments: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)  # noqa: E731
    ours, theirs, ratio = in_turn(lambda: run("-m", "digest", "--help"), lambda: run("-c", "import typer"))
    show("digest --help / python -c 'import typer'", f"{ratio:.2f} x", "at most 3 x")
    print(f"    {ours * 1000:.0f} ms, {theirs * 1000:.0f} ms")


def peak_memory(directory: Path) -> None:
    """Row 4, in a process of its own, so that nothing else counts."""
    code = "import sys; from build import measure_memory; measure_memory(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(directory)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
    )
    show(f"peak memory of building {EDITIONS} editions", f"{done.stdout.strip()} MiB", "under 200 MiB")


def measure_memory(directory: str) -> None:
    """Build the editions once and print the peak."""
    works, selections = stocked(Path(directory))
    kept = build_all(works, selections)
    assert len(kept) == EDITIONS
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main() -> None:
    """Print the rows."""
    folder = Path(tempfile.mkdtemp(prefix="digest-bench-"))
    try:
        works, selections = stocked(folder / "one")
        bench_building(works, selections)
        bench_composing(works, selections[0])
        bench_help()
        peak_memory(folder / "two")
        bench_commands(folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
