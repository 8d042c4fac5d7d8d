"""A template of the workspace costs an error with file and line, whatever it does, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from digest.render.context import NoticeContext
from digest.render.edition import render_edition
from digest.render.loader import Templates, packaged_directory
from digest.render.mail import render_text, tidy
from digest.render.notice import render_notice
from digest.render.notice_kind import NoticeKind
from digest.render.sandbox import process
from digest.render.sandbox.process import LimitError
from digest.runtime.errors import ContentError
from tests.support.render_sample import PUBLICATION, edition

NAME = "email/x.mjml.j2"
Render = Callable[[str], str]


@pytest.fixture
def render(tmp_path: Path) -> Render:
    def act(source: str, **context: object) -> str:
        (tmp_path / "email").mkdir(exist_ok=True)
        (tmp_path / NAME).write_text(source)
        return Templates(tmp_path).render(NAME, "en", {"v": "a & b", **context})

    return act


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "CPU_SECONDS", 0.3)


@pytest.fixture(autouse=True)
def calm() -> Iterator[None]:
    """Leave the next test a child that is well."""
    yield
    if process.shared._process:
        os.kill(process.shared._process.pid, signal.SIGCONT)


def child() -> int:
    assert process.shared._process
    return process.shared._process.pid


def is_gone(pid: int) -> bool:
    """Whether a process ended and was reaped, within three seconds."""
    for _ in range(300):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


TOO_MUCH = {
    "a gigabyte": ("{{ 'x' * 10**9 }}", 1, "memory"),
    "a gigabyte in a variable": ("\n{% set a = 'x' * 10**9 %}", 2, "memory"),
    "ten gigabytes by a filter": ("\n\n{{ v|center(10**10) }}", 3, "memory"),
    "a constant filter": ("\n{{ 'a'|center(100000000) }}", 2, "4,000,000 characters"),
    "a format": ("\n{{ '%2000000000d' % 1 }}", 2, "memory"),
    "replacements": ("\n{{ ('a' * 10**6)|replace('a', 'b' * 10**6) }}", 2, "memory"),
    "a list that doubles": (
        "{% set n = namespace(l=[1]) %}\n{% for i in range(99) %}\n{% set n.l = n.l + n.l %}{% endfor %}",
        3,
        "memory",
    ),
    "output without end": ("\n{% for i in range(99999) %}\n{{ v * 1000 }}{% endfor %}", 3, "4,000,000 characters"),
    "itself": ("\n{% include 'email/x.mjml.j2' %}", 2, "recursion"),
    "a macro of itself": ("{% macro m() %}\n{{ m() }}{% endmacro %}\n{{ m() }}", 2, "recursion"),
    "its own layout": ("{% extends 'email/x.mjml.j2' %}", 1, "recursion"),
    "a huge range": ("\n{% for i in range(10**9) %}{% endfor %}", 2, "Range too big"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_too_much_is_an_error_with_file_and_line(render: Render, name: str) -> None:
    source, line, what = TOO_MUCH[name]
    with pytest.raises(ContentError, match=rf"^email/x\.mjml\.j2, line {line}: .*{what}") as caught:
        render(source)
    assert "templates/README.md" in caught.value.hint
    assert render("{{ v }}") == "a &amp; b"


@pytest.mark.parametrize(
    "source",
    [
        "\n{% for i in range(99999) %}\n{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m() %}{% for i in range(99999) %}\n\n{% for j in range(99999) %}{% endfor %}{% endfor %}{% endmacro %}{{ m() }}",
        "\n\n{{ lipsum(n=10**7) }}",
    ],
    ids=["loops", "loops in a macro", "a function"],
)
@pytest.mark.usefixtures("impatient")
def test_a_loop_without_end_is_an_error_with_file_and_line(render: Render, source: str) -> None:
    with pytest.raises(LimitError, match=r"^email/x\.mjml\.j2, line 3: it takes more than .* processor time"):
        render(source)


def test_an_error_in_an_included_file_names_that_file(render: Render, tmp_path: Path) -> None:
    render("x")
    (tmp_path / "email" / "y.j2").write_text("\n\n\n{{ 'x' * 10**9 }}")
    with pytest.raises(LimitError, match=r"^email/y\.j2, line 4: "):
        render("{% include 'email/y.j2' %}")


def test_one_child_serves_all_renderings(render: Render) -> None:
    render("{{ v }}")
    first = child()
    assert [render(str(n)) for n in range(20)] == [str(n) for n in range(20)]
    with pytest.raises(ContentError, match="'nothing' is undefined"):
        render("{{ nothing }}")
    assert child() == first
    with pytest.raises(LimitError):
        render("{{ 'x' * 10**9 }}")
    assert is_gone(first), "no zombie is left"
    render("{{ v }}")
    assert child() != first


def test_what_broke_the_limits_is_refused_until_it_changes(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    page = tmp_path / "web" / "x.html.j2"
    page.write_text("{{ 'x' * 10**9 }}")
    templates = Templates(tmp_path)
    for _ in range(50):  # requests for a page
        with pytest.raises(LimitError, match="line 1"):
            templates.render("web/x.html.j2", "en", {})
    process.shared.stop()
    with pytest.raises(LimitError, match="line 1"):
        templates.render("web/x.html.j2", "en", {})
    assert process.shared._process is None, "it is known, and nobody was asked"
    page.write_text("mended")
    assert templates.render("web/x.html.j2", "en", {}) == "mended"


def test_a_child_that_answers_nothing_is_killed(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    render("{{ v }}")
    monkeypatch.setattr(process, "WALL_SECONDS", 0.1)
    monkeypatch.setattr(process, "_GRACE_SECONDS", 0.1)
    os.kill(child(), signal.SIGSTOP)
    stopped = child()
    with pytest.raises(LimitError, match=r"^email/x\.mjml\.j2: the process .* took more than 0\.1 seconds"):
        render("{{ v }}!")
    assert is_gone(stopped)
    monkeypatch.undo()
    assert render("{{ v }}") == "a &amp; b"


def test_a_child_asked_after_its_time_tells_where_it_is(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on systems that limit no processor time."""
    monkeypatch.setattr(process, "WALL_SECONDS", 0.3)
    with pytest.raises(LimitError, match=r"^email/x\.mjml\.j2, line 2: it takes more"):
        render("\n{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}")


def test_a_child_that_dies_is_replaced(render: Render) -> None:
    render("{{ v }}")
    os.kill(child(), signal.SIGKILL)
    time.sleep(0.05)
    assert render("{{ v }}") == "a &amp; b"


def test_ctrl_c_reaches_our_process_only(render: Render) -> None:
    render("{{ v }}")
    first = child()
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(first, number)
    assert render("{{ v }}") == "a &amp; b"
    assert child() == first


SCRIPT = """
    import os, signal, sys, threading
    from pathlib import Path
    from digest.render.loader import Templates
    from digest.render.sandbox import process
    templates = Templates(Path(sys.argv[1]))
    def render():
        return templates.render("email/x.mjml.j2", "en", {"v": "x"})
    render()
    print(process.shared._process.pid, flush=True)
"""


def script(folder: Path, more: str) -> "subprocess.CompletedProcess[str]":
    (folder / "email").mkdir(exist_ok=True)
    (folder / NAME).write_text("{{ v }}")
    source = textwrap.dedent(SCRIPT) + textwrap.dedent(more)
    return subprocess.run(
        [sys.executable, "-c", source, str(folder)], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "end", ["", "os.kill(os.getpid(), signal.SIGKILL)", "os._exit(1)", "raise SystemExit(3)"], ids=str
)
def test_the_child_ends_with_its_parent(tmp_path: Path, end: str) -> None:
    done = script(tmp_path, end)
    assert is_gone(int(done.stdout))
    assert done.stderr == ""


def test_a_fork_has_a_child_of_its_own(tmp_path: Path) -> None:
    done = script(
        tmp_path,
        """
        if os.fork() == 0:
            print(render(), process.shared._process.pid, flush=True)
            process.shared.stop()
            os._exit(0)
        os.wait()
        print(render(), process.shared._process.pid, flush=True)
        """,
    )
    first, forked, after = done.stdout.split("\n")[:3]
    assert done.stderr == ""
    assert after == f"x {first}"
    assert forked.startswith("x ")
    assert forked != after


def test_the_current_folder_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, render: Render) -> None:
    (tmp_path / "jinja2.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    process.shared.stop()
    assert render("{{ v }}") == "a &amp; b"


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_child_makes_the_same_bytes(tmp_path: Path, language: str) -> None:
    own = tmp_path / "email" / "layouts" / "base.mjml.j2"
    own.parent.mkdir(parents=True)
    own.write_bytes((packaged_directory() / "email" / "layouts" / "base.mjml.j2").read_bytes())
    here, apart = Templates(), Templates(tmp_path)
    process.shared.stop()
    assert render_edition(edition(language=language), apart) == render_edition(edition(language=language), here)
    assert process.shared._process, "the child did it"
    context = NoticeContext(PUBLICATION, expires_days=7)
    for kind in (NoticeKind.CONFIRMATION, NoticeKind.WELCOME):
        assert render_notice(kind, language, context, apart) == render_notice(kind, language, context, here)


def test_ours_are_rendered_here(tmp_path: Path) -> None:
    process.shared.stop()
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "x.html.j2").write_text("x")
    render_edition(edition(), Templates(tmp_path))
    assert process.shared._process is None, "an own page does not concern the mails"


ENDLESS = {
    "components": "{% for i in range(9999) %}\n<mj-section><mj-column></mj-column></mj-section>\n{% endfor %}",
    "elements": "<mj-section><mj-column><mj-text>{% for i in range(99999) %}\n<b>x</b>\n{% endfor %}</mj-text></mj-column>"
    "</mj-section>",
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_mail_of_endless_elements_names_file_and_line(tmp_path: Path, what: str) -> None:
    """Below the limits of the child, and minutes of work for what comes after it."""
    own = tmp_path / "email" / "layouts" / "base.mjml.j2"
    own.parent.mkdir(parents=True)
    ours = (packaged_directory() / "email" / "layouts" / "base.mjml.j2").read_text()
    before, _, after = ours.partition("</mj-body>")
    own.write_text(f"{before}{ENDLESS[what]}</mj-body>{after}")
    line = (before + ENDLESS[what]).count("\n")
    with pytest.raises(
        ContentError, match=rf"^email/layouts/base\.mjml\.j2, line {line}: The mail has too many elements"
    ):
        render_edition(edition(), Templates(tmp_path))


def test_a_text_of_blanks_is_quickly_made(tmp_path: Path) -> None:
    own = tmp_path / "email" / "digest" / "body.txt.j2"
    own.parent.mkdir(parents=True)
    own.write_text("first  \t\n \n \n \n{% for i in range(99999) %}    {% endfor %}last   ")
    text = tidy(render_text("email/digest", "en", {}, Templates(tmp_path)))
    assert text == f"first\n\n{'    ' * 99999}last\n"
