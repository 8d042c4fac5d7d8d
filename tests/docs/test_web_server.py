"""What the pages say about web servers, units and takeovers: proxies as shown work, and secret paths are all named."""

import re
from pathlib import Path

import pytest

from digest.settings.schedule import Schedule
from subscribers.links import LINKED


@pytest.fixture(scope="module")
def pages(repo_root: Path) -> dict[str, str]:
    return {str(path.relative_to(repo_root)): path.read_text("utf-8") for path in (repo_root / "docs").rglob("*.md")}


def test_every_nginx_server_passes_host_and_client_on(pages: dict[str, str]) -> None:
    blocks = [block for text in pages.values() for block in re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)]
    proxies = [block for block in blocks if "proxy_pass" in block]
    assert len(proxies) >= 3
    for block in proxies:
        for line in ("proxy_set_header Host $host;", "X-Forwarded-For $proxy_add_x_forwarded_for;", "access_log off;"):
            assert line in re.sub(r" +", " ", block), block


def test_whoever_names_secret_paths_names_them_all(pages: dict[str, str]) -> None:
    told = {name: text for name, text in pages.items() if "access log off" in text or "log off for" in text}
    told["put-it-on-the-web"] = pages["docs/how-to/put-it-on-the-web.md"]
    for name, text in told.items():
        lists = re.findall(r"`/\w+`(?:,\s+`/\w+`)+\s+and\s+`/\w+`", text)
        assert any(set(LINKED) <= set(re.findall(r"`/(\w+)`", one)) for one in lists), name
    assert len(told) >= 2
    assert not [name for name, text in pages.items() if re.search(r"server's\s+log shows", text)]


def test_every_unit_that_is_named_is_there(pages: dict[str, str], repo_root: Path) -> None:
    units = {path.name for path in (repo_root / "docs" / "operating" / "systemd").iterdir()}
    named = {unit for text in pages.values() for unit in re.findall(r"\bdigest-[a-z]+\.(?:service|timer)\b", text)}
    assert named <= units
    assert "digest-serve.service" in named


def test_the_takeover_is_the_default_wherever_it_is_told(pages: dict[str, str]) -> None:
    told = [line for text in pages.values() for line in text.splitlines() if "takeover`" in line and "(" in line]
    told += [line for text in pages.values() for line in text.splitlines() if "takes it over" in line]
    assert len(told) >= 2
    for line in told:
        seconds = f"{Schedule().takeover:.0f}"
        assert seconds in line or "minutes" not in line, line
