"""Every command of a how-to is run in a workspace of the sample, or says beside it why not."""

import json
import os
import re
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.page_commands import background, blocks, done, free_port, missing_line, steps
from tests.support.run import run

ROOT = Path(__file__).resolve().parents[2]
HOW_TOS = sorted((ROOT / "docs" / "how-to").glob("*.md"))
READ = [*HOW_TOS, *(ROOT / "docs" / "tutorial").glob("*.md"), ROOT / "README.md"]
STAYS = re.compile(r"digest (sink|serve|worker --stay)\b")
ELSEWHERE = re.compile(r"/var/(?:[\w-]+/)*[\w-]*(?=/)|~(?=/)")
"""Folders of the machine, or of a person: they lie in the test's folder instead."""
MAILS = [
    "mkdir -p ~/Maildir/{new,cur,tmp}",
    "touch bounces.mbox",
    f"cp {ROOT}/tests/cases/bounces/au_full.eml bounce.eml",
]
BEFORE = {
    "bounces-postfix": [*MAILS, "digest suppress add ada@example.org"],
    "bounces-postmark": ["mkdir .secrets"],
    "keep-consent": ["digest subscribers add ada@example.net --confirmed-by paper"],
    "keep-the-list-clean": ["digest subscribers add kim@gmial.com --confirmed-by paper"],
    "move-from-other-services": ["printf 'id,email,subscribed_to_emails\n1,ada@example.net,true\n' > members.csv"],
    "run-monthly": ["digest issue assemble --period 2021-09 --number 21"],
    "resolve-uncertain": [*MAILS, "cp bounce.eml report.eml", "mkdir -p ~/var/log", "touch ~/var/log/mail.log"],
}
"""What has happened before a page begins, beside that issue 21 was sent."""
NOT_SENT = {"keep-consent", "monitor", "run-monthly", "see-failures"}
"""Pages that begin with the sample as `digest init` makes it."""
BROUGHT_IN = {
    "move-from-listmonk": {"ada.lovelace@example.net": "confirmed", "blocked@example.net": "unsubscribed"},
    "move-from-mailchimp": {
        "ada@example.net": "confirmed", "added@example.net": "pending", "left@example.net": "unsubscribed",
    },
    "move-from-mailman": {"ada@example.net": "confirmed", "holiday@example.net": "unsubscribed"},
}  # fmt: skip


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """The sample before and after issue 21 was sent; copied, never used."""
    folder = tmp_path_factory.mktemp("worlds")
    run("init", "new", "--sample", cwd=folder)
    shutil.copytree(folder / "new", folder / "sent")
    for line in ("issue assemble --period 2021-09 --number 21", "issue approve 21 --by Ada", "send 21 --yes"):
        ended = run(*line.split(), cwd=folder / "sent")
        assert ended.returncode == 0, ended.stderr
    return {False: folder / "new", True: folder / "sent"}


@pytest.fixture
def folder(worlds: dict[bool, Path], tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A workspace, with exports as other programs write them beside it."""
    made = tmp_path / "workspace"
    shutil.copytree(worlds[request.node.callspec.params["path"].stem not in NOT_SENT], made)
    for file in (ROOT / "tests" / "cases" / "moving").iterdir():
        shutil.copy(file, made)
    return made


@pytest.mark.parametrize(
    "path", [path for path in HOW_TOS if steps(path.read_text("utf-8"))], ids=lambda path: path.stem
)
def test_its_commands_do_what_it_shows(path: Path, folder: Path, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "200"}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DIGEST_")} | home
    for command in BEFORE.get(path.stem, []):
        assert done(command, folder, environment)[0] == 0
    port = "2525"
    with ExitStack() as staying:
        for step in steps(path.read_text(encoding="utf-8")):
            command = step.command.replace("2525", port).replace("2526", str(int(port) + 1))
            for place in ELSEWHERE.findall(command):
                (tmp_path / place.strip("/")).mkdir(parents=True, exist_ok=True)
            command = ELSEWHERE.sub(lambda place: str(tmp_path / place[0].strip("/~")), command)
            if step.file:
                (folder / step.file).write_text(step.command, encoding="utf-8")
            elif STAYS.match(command):
                staying.close()
                port = str(free_port())
                command = command.replace(" --port 2525", "")
                staying.enter_context(background(f"{command} --port {port}", folder, environment))
            else:
                code, printed = done(command, folder, environment)
                assert code in {step.exit_code, 0, 1}, f"$ {command}\n{printed}"
                assert missing_line(step.shown, printed) is None, f"$ {command}\n{printed}"
    assert path.stem != "keep-consent" or b"ada@example.net" not in (folder / "digest.db").read_bytes()
    for address, state in BROUGHT_IN.get(path.stem, {}).items():
        shown = run("subscribers", "show", address, "--json", cwd=folder)
        assert json.loads(shown.stdout)["state"] == state, address


@pytest.mark.parametrize("path", READ, ids=lambda path: path.stem)
def test_a_block_of_commands_is_run_or_says_why_not(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    silent = [
        block["text"]
        for block, found in blocks(text)
        if block["kind"] in {"console", "sh"} and not (found or block["reason"])
    ]
    assert silent == []
    assert len(re.findall(r"```(?:console|sh|shell|bash)$", text, re.MULTILINE)) == sum(
        block["kind"] in {"console", "sh"} for block, _ in blocks(text)
    )
