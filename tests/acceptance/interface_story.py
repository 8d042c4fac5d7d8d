"""A long, deterministic story that runs nearly every command once, and prints what each said and how it ended.

For a process of its own, for `test_interface_recording.py`. Each command runs in a fork that has loaded everything
already, as the shell would run it: its own arguments, exit code, stdout and stderr. All that it knows of the product's
inside is the entry point of the installed command.
"""

import gc
import json
import os
import runpy
import shutil
import signal
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import lxml.html

UNEXPECTED = 70
SECONDS = 60
SAMPLE_DAY = "2021-09-30T08:00:00+09:00"
A_STEP = timedelta(minutes=2)  # so that no rate over the last minute sees the step before
MARIA = "maria@example.org"
SMALL = " ".join(
    f"--hold {slug}"  # the next issue of the story has them
    for slug in (
        *("smart-city-solutions", "alliance-members", "k-uam-operation-concept", "paper-developing-countries"),
        *("paper-traffic-energy", "paper-5g-smart-city", "daejeon-fire-prevention", "seoul-private-sites"),
        *("ecuador-smart-city-policy", "truck-platooning", "wsce-2021"),
    )
)
"""Makes the sample's issue a small one, whose editions are built in no time."""


class Chapter:
    """A part of the story in a workspace of its own, as another part left it."""

    def __init__(self, scratch: Path, name: str, source: Path | None) -> None:
        self.folder = scratch / name
        self.workspace = self.folder / "workspace"
        self.steps: list[dict[str, Any]] = []
        self._loaded = self.folder / "loaded"
        self._now = datetime.fromisoformat(SAMPLE_DAY)
        self.folder.mkdir()
        if source is not None:
            shutil.copytree(source / "workspace", self.workspace)

    def at(self, instant: str) -> None:
        self._now = datetime.fromisoformat(instant)

    def digest(self, line: str, *, where: str = "workspace", **values: object) -> Any:
        """Run a command line and return its JSON document, or None; the record has it without the values."""
        out, err = self.folder / "stdout", self.folder / "stderr"
        child = self._start(line, where, values, out, err)
        signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
        signal.alarm(SECONDS)
        _, status = os.waitpid(child, 0)
        signal.alarm(0)
        _load(self._loaded)
        return self._record(line, status, out, err)

    @contextmanager
    def staying(self, line: str, until: Callable[[str, str], bool], **values: object) -> Iterator[Any]:
        """Run a command that stays, from when `until` holds of its stdout and stderr; end it by SIGTERM."""
        out, err = self.folder / "stdout-of-staying", self.folder / "stderr-of-staying"
        child = self._start(line, "workspace", values, out, err)
        ended, deadline = 0, time.monotonic() + SECONDS
        while not until(out.read_text(), err.read_text()):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        try:
            yield _document(out.read_text())
        finally:
            if not ended:
                os.kill(child, signal.SIGTERM)
                _, status = os.waitpid(child, 0)
            self._record(line, status, out, err)

    def _start(self, line: str, where: str, values: dict[str, object], out: Path, err: Path) -> int:
        words = [word.replace("~", " ") for word in line.format(**values).split(" ")]
        self._now += A_STEP
        for path in (out, err):
            path.write_bytes(b"")
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            _become(words, self.folder / where, self._now.isoformat(), out, err, self._loaded)
        return child

    def _record(self, line: str, status: int, out: Path, err: Path) -> Any:
        told = {"run": f"digest {line}", "exit": os.waitstatus_to_exitcode(status)}
        self.steps.append({**told, "stdout": out.read_text(), "stderr": err.read_text()})
        return _document(out.read_text())

    def write(self, name: str, text: str) -> None:
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def add_to_config(self, text: str) -> None:
        path = self.workspace / "digest.toml"
        path.write_text(f"{path.read_text(encoding='utf-8')}\n{text}\n", encoding="utf-8")

    def seen(self, what: str, found: Any) -> None:
        """Record something that is no command's answer, such as the columns of a file that one wrote."""
        self.steps.append({"seen": what, "found": found})

    def page(self, what: str, url: str) -> None:
        """Record what a page of ours answers."""
        self.steps.append({"page": what, "found": _fetched(url)})

    def keys(self, path: str) -> None:
        """Record the keys of a TOML file."""
        tables = tomllib.loads((self.folder / path).read_text(encoding="utf-8"))
        self.seen(f"keys of {path}", sorted(set(_dotted(tables))))

    def files(self, what: str, *, below: str = "workspace") -> None:
        """Record the files below a folder, and whether others than their owner may read them."""
        root = self.folder / below
        found = [
            [path.relative_to(root).as_posix() + "/" * path.is_dir(), not path.stat().st_mode & 0o077]
            for path in sorted(root.rglob("*"))
            if not path.name.endswith(("-wal", "-shm"))  # SQLite's own, there or not as it likes
        ]
        self.steps.append({"files": what, "found": found})


def _dotted(table: dict[str, Any], before: str = "") -> Iterator[str]:
    for key, value in table.items():
        rows = value if isinstance(value, list) else [value]
        if any(isinstance(row, dict) for row in rows):
            for row in rows:
                yield from _dotted(row, f"{before}{key}.")
        else:
            yield before + key


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _load(names: Path) -> None:
    """Load here what a command had to load, so that it costs no later one anything."""
    for name in names.read_text().split() if names.exists() else ():
        with suppress(Exception):
            import_module(name)


def _become(words: list[str], place: Path, now: str, out: Path, err: Path, loaded: Path) -> None:
    """Be the command, in the fork; never returns."""
    code, known = UNEXPECTED, set(sys.modules)
    try:
        os.chdir(place)
        for number, path, flags in ((0, Path(os.devnull), os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
            os.dup2(os.open(path, flags), number)
        os.environ["DIGEST_NOW"] = now
        sys.argv = ["digest", *words]
        runpy.run_module("digest", run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        sys.stderr.write(f"Traceback: {error!r}\n")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        loaded.write_text("\n".join(name for name in sys.modules if name not in known))
        os._exit(code)


def setting_up(tell: Chapter) -> None:
    tell.digest("init --json plain", where=".")
    tell.files("what init makes", below="plain")
    tell.keys("plain/digest.toml")
    tell.keys("plain/secrets.toml")
    tell.digest("init --json plain", where=".")
    tell.digest("init --sample --json workspace", where=".")
    tell.files("what init --sample makes")
    tell.keys("workspace/digest.toml")
    tell.digest("--version")
    tell.digest("config check --json")
    tell.digest("config describe --json")
    tell.digest("db check --json")
    tell.digest("db upgrade --json")
    tell.digest("doctor --json")
    [key] = tell.digest("links list --json")["keys"]
    tell.digest("links rotate --json")
    tell.digest("links retire {key} --json", key=key["key"])
    tell.digest("links retire {key} --yes --json", key=key["key"])
    tell.digest("links retire nothing --yes --json")
    tell.digest("dkim show --json")
    tell.digest("dkim generate --json --selector here")
    tell.digest("dkim generate --json --selector here")
    tell.digest("dkim show --json --selector here")


def content(tell: Chapter) -> None:
    tell.digest("articles list --json")
    tell.digest("articles show certified-cities --json")
    tell.digest("articles show truck-platooning --json")
    tell.digest("articles show nothing --json")
    tell.write(
        "articles/trams.md", "---\ntitle: Trams\ntopics: [mobility]\ndate: 2021-09-12\nsummary: S.\n---\n\nOne.\n"
    )
    tell.write("articles/bad.md", "---\ntitel: x\n---\n")
    tell.write("articles/long.md", f"---\ntitle: Long\n---\n\n{'A word. ' * 20_000}\n")
    tell.digest("articles import articles --dry-run --json")
    tell.digest("articles import articles --json")
    tell.digest("articles import articles/trams.md --json")
    tell.digest("articles import nowhere --json")
    tell.digest("articles export elsewhere --json")
    tell.write("elsewhere/trams.md", "---\ntitle: Trams\n---\n\nTwo.\n")
    tell.digest("articles export elsewhere --json")
    tell.digest("articles export elsewhere --json --overwrite")
    exported = (tell.workspace / "articles" / "trams.md").read_text().split("---")[1]
    tell.seen(
        "front matter of an exported article", sorted(row.partition(":")[0] for row in exported.split("\n") if row)
    )
    tell.digest("issue list --json")
    tell.digest("issue show --json")
    tell.digest("issue assemble --period 2021-09 --number 21 --json")
    tell.digest("issue assemble --period soon --json")
    tell.digest("issue list --json")
    tell.digest("issue show 21 --json")
    tell.digest("issue show 99 --json")
    tell.write("intro.md", "Good morning.\n")
    tell.digest("issue edit 21 --json --subject Hello --preheader First --intro intro.md --drop trams")
    tell.digest("issue edit 21 --json {small}", small=SMALL)
    tell.digest("issue edit 21 --json --add trams --move trams:news:1 --language ko --date 2021-09-30")
    tell.digest("issue edit 21 --json --add nothing")
    tell.digest("issue archive 21 --keep-out --json")
    tell.digest("issue archive 21 --show --json")
    tell.digest("issue note 21 Corrected --json")
    tell.digest("issue assemble --period 2021-10 --json")
    tell.digest("issue check 22 --json")
    tell.digest("issue waive 22 link-local --json --reason Trial")
    tell.digest("issue waive 22 link-local --json --undo")
    tell.digest("issue waive 22 contrast --json --reason Trial")
    tell.digest("issue withdraw 22 --json")
    tell.digest("issue withdraw 22 --yes --json")
    tell.digest("issue approve 22 --by Ada --json")


def readers(tell: Chapter) -> None:
    tell.digest("subscribers stats --json")
    tell.digest("subscribers stats --full --json")
    tell.digest("subscribers check --json")
    tell.digest("subscribers check --after nonsense --json")
    tell.digest("subscribers show minjun.kim@example.org --json")
    tell.digest("subscribers show nobody@example.org --json")
    tell.digest(f"subscribers add {MARIA} --name Maria~Muster --interests mobility;safety --confirmed-by paper --json")
    tell.digest(f"subscribers add {MARIA} --confirmed-by paper --json")
    tell.digest("subscribers add asked@example.org --language ko --json")
    tell.digest("subscribers add nonsense --json")
    tell.digest("subscribers show asked@example.org --json")
    tell.write("odd.csv", "email,shoe size\nnew@example.org,9\n")
    tell.digest("subscribers import odd.csv --json")
    tell.write("more.csv", "email,name,interests\nnew@example.org,New,tennis;safety\nbad,,\n")
    tell.digest("subscribers import more.csv --dry-run --json")
    tell.digest("subscribers import more.csv --confirmed-by paper --json")
    tell.digest("subscribers import more.csv --json --map email=nothing")
    tell.digest("subscribers import nowhere.csv --json")
    tell.digest("subscribers import readers.csv --json")
    tell.digest("subscribers export readers-out.csv --json")
    tell.digest("subscribers export readers-out.jsonl --json")
    tell.digest("subscribers export --format jsonl")
    tell.digest("subscribers export --json")
    tell.digest("subscribers export --format odd")
    tell.seen("columns of the CSV", (tell.workspace / "readers-out.csv").read_text().splitlines()[0].split(","))
    tell.digest("subscribers form --json")
    tell.digest("subscribers ask-to-confirm --dry-run --json")
    tell.digest("subscribers ask-to-confirm --json")
    tell.digest("subscribers ask-to-confirm --yes --json --per-hour 10")
    tell.digest("subscribers retention --dry-run --json")
    tell.digest("subscribers retention --yes --json")
    tell.digest("suppress add left@example.org --note letter --json")
    tell.digest("suppress add left@example.org --json")
    tell.digest("suppress lookup left@example.org --json")
    tell.digest("suppress lookup nobody@example.org --json")
    tell.digest("suppress list --json")
    tell.digest("subscribers add left@example.org --confirmed-by paper --json")
    tell.digest("suppress remove left@example.org --json")
    tell.digest("suppress remove left@example.org --json")
    tell.digest(f"subscribers erase {MARIA} --json")
    tell.digest(f"subscribers erase {MARIA} --yes --json")
    tell.digest(f"subscribers show {MARIA} --json")
    tell.digest("subscribers add anew@example.org --json")
    tell.digest("worker --json")  # the notices that ask


def approving(tell: Chapter) -> None:
    tell.digest("issue assemble --period 2021-09 --number 21")
    tell.digest("send 21 --yes --json")  # not approved
    tell.digest("issue edit 21 {small}", small=SMALL)
    tell.digest("issue approve 21 --json")
    tell.digest("issue approve 21 --by Ada --json")
    tell.digest("editions 21 --json")
    tell.digest("outbox status --json")
    tell.digest("outbox list --json")


def sending(tell: Chapter) -> None:
    tell.digest("send 21 --dry-run --json")
    tell.digest("send 21 --to ada@example.org --interests mobility --language ko --json")
    tell.digest("send 21 --yes --json")
    tell.digest("send 21 --yes --json")
    tell.digest("worker --json")
    tell.digest("outbox status --json")
    tell.digest("outbox list 21 --json")
    tell.digest("outbox list 21 --state skipped --json")
    tell.digest("outbox list 21 --state odd --json")
    tell.digest("outbox show 1 --json")
    tell.digest("outbox show 999 --json")
    tell.digest("outbox hold --json")
    tell.digest("outbox reconcile --json")
    tell.digest("outbox resend 1 --yes --json")
    tell.digest("subscribers show anna.lindqvist@example.org --json")
    tell.digest("issue edit 21 --subject New --json")
    tell.digest("issue withdraw 21 --yes --json")
    tell.digest("issue note 21 Corrected --json")
    tell.digest("articles archive its-subsidy --keep-out --json")
    tell.digest("articles archive its-subsidy --show --json")
    tell.digest("archive export site --json")
    tell.digest("archive export site --json")
    tell.files("the public archive", below="workspace/site")
    tell.digest("report --json")
    tell.digest("report 21 --json")
    tell.digest("metrics")
    tell.digest("metrics --write figures.prom --json")
    tell.digest("db backup saved.backup --json")
    tell.digest("db restore saved.backup --json")
    tell.digest("db restore saved.backup --yes --json")
    tell.digest("db restore digest.toml --yes --json")
    tell.digest("outbox status --json")
    tell.files("a workspace after all that")


def refused(tell: Chapter) -> None:
    """Mail servers that refuse, defer and go away: the states that need a person."""
    names = ("550", "tempfail", "drop-after-dot", "drop-after-dot+2", "drop-after-dot+3")
    tell.write("magic.csv", "\n".join(["email,status", *(f"{name}@example.org,confirmed" for name in names)]))
    tell.digest("subscribers import magic.csv --confirmed-by paper --json")
    listening = "sink --port 0 --http 0 --maildir kept --json"
    with tell.staying(listening, lambda out, _: _document(out) is not None) as sink:
        relay = {"relay": sink["smtp"]}
        tell.digest("outbox hold --json")
        tell.digest("send 21 --yes --json --relay {relay}", **relay)
        tell.digest("outbox release --json")
        tell.digest("worker 21 --json --relay {relay}", **relay)
        first, second, third = (one["id"] for one in tell.digest("outbox list --state uncertain --json"))
        tell.digest("outbox resend {id} --json", id=first)
        tell.digest("outbox resend {id} --yes --json", id=first)  # too early
        tell.digest("outbox status --json")
        tell.digest("outbox list --json")
        deferred = tell.digest("outbox list --state deferred --json")[0]["id"]
        tell.digest("outbox show {id} --json", id=deferred)
        tell.digest("outbox show {id} --json", id=first)
        tell.digest("outbox hold --json")
        tell.digest("outbox hold --json")
        tell.digest("worker --json --relay {relay}", **relay)
        tell.digest("outbox release --json")
        tell.digest("outbox retry --yes --json")
        tell.digest("worker --json --relay {relay}", **relay)
        tell.digest("outbox retry {id} --yes --json", id=deferred)
        tell.write("mail.log", "Sep 30 08:00:00 mx postfix/smtp[1]: nothing of ours\n")
        tell.digest("outbox reconcile --json")
        tell.digest("outbox reconcile --json --dry-run --log mail.log --zone Asia/Seoul")
        tell.digest("outbox reconcile --json --assume accepted --by Ada --dry-run {id}", id=second)
        tell.digest("outbox reconcile --json --assume accepted --by Ada {id}", id=second)
        tell.digest("outbox reconcile --json --assume accepted --by Ada --yes {id}", id=second)
        tell.digest("outbox reconcile --json --assume maybe --by Ada --yes {id}", id=second)
        tell.at("2021-09-30T12:00:00+09:00")
        tell.digest("outbox resend {id} --yes --json", id=first)
        tell.digest("outbox cancel --json")
        tell.digest("outbox cancel --json --yes --reason enough {id}", id=third)
        tell.digest("outbox cancel --json --yes --issue 21")
        tell.digest("outbox status --json")
        tell.digest("report --json")
        tell.digest("send 21 --to ada@example.org --json --relay smtp://127.0.0.1:1")
    tell.digest("send 21 --to ada@example.org --json --relay smtp://relay.example.org:25")


def months(tell: Chapter) -> None:
    """The calendar: forecast, looks at the clock, a run that waits, one that is done, one that is skipped."""
    tell.digest("schedule next --json --count 2 --from 2021-09-01")
    tell.digest("schedule next --json --from soon")
    tell.digest("schedule history --json")
    tell.at("2021-09-01T12:00:00+09:00")
    tell.digest("tick --json")
    tell.at("2021-09-30T09:01:00+09:00")
    tell.digest("tick --json")
    tell.digest("schedule history --json")
    tell.digest("schedule history 2021-09 --json")
    tell.digest("schedule history 2020-01 --json")
    tell.digest("issue edit {small}", small=SMALL)
    tell.digest("issue approve --by Ada")
    tell.digest("tick --json")
    tell.digest("tick --json")
    tell.digest("schedule history 2021-09 --json")
    tell.digest("schedule skip 2021-10 --json")
    tell.digest("schedule skip soon --json")
    tell.digest("schedule release 2021-09 --json")
    tell.digest("schedule next --json --count 1")
    tell.digest("schedule special wsce-2021 --at 2021-10-12T09:00 --subject Special --json")
    tell.digest("schedule special nothing --at 2021-10-12T09:00 --json")
    tell.digest("report --json")


def operators(tell: Chapter) -> None:
    tell.digest("tell --json")
    tell.digest("tell --test --json")
    tell.write("webhook-secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    (tell.workspace / "webhook-secret").chmod(0o600)
    tell.add_to_config(
        '[operators]\naddresses = ["ada@example.org"]\nwebhook = "http://127.0.0.1:1/hook"\n'
        'webhook_secret_file = "webhook-secret"\n'
    )
    tell.digest("tell --test --json")
    with tell.staying("worker --stay --json", lambda _, err: "Running until stopped" in err):
        pass


def wrong(tell: Chapter) -> None:
    """Command lines and configurations that are wrong, and an environment that is."""
    tell.digest("nonsense")
    tell.digest("send --nonsense --json")
    tell.digest("issue list --json", where=".")
    tell.digest("issue list --json --workspace workspace", where=".")
    tell.digest("issue list --log-format xml")
    tell.digest("issue show 99 --log-format json")
    tell.digest("issue show 99 --log-format json -v")
    config = tell.workspace / "digest.toml"
    right = config.read_text(encoding="utf-8")
    config.write_text(right.replace("timezone", "timezoen"), encoding="utf-8")
    tell.digest("config check --json")
    tell.digest("doctor --json")
    config.write_text(right, encoding="utf-8")
    tell.add_to_config('[database]\nurl = "postgresql://digest:secret@127.0.0.1:1/digest"')
    tell.digest("issue list --json")
    tell.digest("doctor --json")


PAGES = (
    *("/", "/subscribe", "/subscribe/embed", "/confirm/nothing", "/preferences/nothing", "/unsubscribe/nothing"),
    *("/view/nothing", "/archive", "/archive/21", "/archive/search?q=city", "/archive/99", "/feeds/en.xml"),
    *("/feeds/ko/mobility.xml", "/feeds/xx.xml", "/sitemap.xml", "/robots.txt", "/favicon.ico", "/static/pages.css"),
    *("/health", "/healthz", "/ready", "/readyz", "/metrics", "/media/nothing.jpg", "/nonsense", "/openapi.json"),
)


def served(tell: Chapter) -> None:
    """The public pages: the status and the kind of each, and the fields of the forms that links of a mail lead to."""
    mail = next(iter(sorted((tell.workspace / "outbox" / "new").iterdir()))).read_text()
    headers = [row.partition(":")[0] for row in mail.partition("\n\n")[0].split("\n") if row[:1].strip()]
    tell.seen("header fields of a reader's mail", headers)
    port = _free_port()
    base = f"http://127.0.0.1:{port}"
    with tell.staying("serve --port {port}", lambda _, err: "Serving on" in err, port=port):
        for path in PAGES:
            tell.page(f"GET {path}", base + path)
        for link in sorted(_links(mail)):
            kind = link.split("/")[3]
            tell.page(f"GET the {kind} link of a mail", base + link[len("http://127.0.0.1:8025") :])


def _links(mail: str) -> set[str]:
    """Return one link of each kind that leads back to us, from the plain text of a mail and its header."""
    import email.policy  # noqa: PLC0415

    message = email.message_from_string(mail, policy=email.policy.default)
    text = message.get_body(("plain",)).get_content() + message["List-Unsubscribe"]
    found = {word.strip("<>,.()") for word in text.split() if "http://127.0.0.1:8025/" in word}
    return set({link.split("/")[3]: link for link in sorted(found) if len(link.split("/")) > 4}.values())


def _fetched(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            status, headers, body = answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        status, headers, body = error.code, error.headers, error.read()
    kind = headers.get_content_type()
    told: dict[str, Any] = {"status": status, "kind": kind, "headers": sorted({name.lower() for name in headers})}
    if kind == "text/html":
        forms = lxml.html.fromstring(body).forms
        told["forms"] = [{"method": form.method, "fields": sorted(set(_fields(form)))} for form in forms]
    elif kind == "application/json":
        told["json"] = json.loads(body)
    return told


def _fields(form: Any) -> Iterator[str]:
    return (one.get("name") for one in form.iter("input", "select", "button", "textarea") if one.get("name"))


def _free_port() -> int:
    import socket  # noqa: PLC0415

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


CHAPTERS: dict[str, tuple[Callable[[Chapter], None], str]] = {
    "set-up": (setting_up, ""),
    "content": (content, "set-up"),
    "readers": (readers, "set-up"),
    "approving": (approving, "set-up"),
    "sending": (sending, "approving"),
    "refused": (refused, "approving"),
    "schedule": (months, "set-up"),
    "operators": (operators, "set-up"),
    "errors": (wrong, "set-up"),
    "pages": (served, "schedule"),
}
"""Each chapter, and in whose workspace it goes on (a copy)."""


def main(scratch: Path) -> dict[str, list[dict[str, Any]]]:
    """Tell all chapters; one that cannot be told to its end says so, and the others are told all the same."""
    os.umask(0o022)
    gc.disable()  # else each fork copies what the collector looks at
    told: dict[str, Chapter] = {}
    for name, (story, source) in CHAPTERS.items():
        told[name] = Chapter(scratch, name, told[source].folder if source else None)
        try:
            story(told[name])
        except Exception as error:
            told[name].seen("broken off", repr(error))
    return {name: chapter.steps for name, chapter in told.items()}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
