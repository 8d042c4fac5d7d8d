"""What operators copy: units, Dockerfile, compose file, alerts and dashboard say things that are true."""

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from prometheus_client.parser import text_string_to_metric_families
from typer.main import get_command

from digest.app import App
from digest.cli import app
from digest.runtime.db import make_engine, upgrade
from digest.settings.root import Settings, load_settings
from digest.testing import FrozenClock
from digest.workspace.create import create
from digest.workspace.metrics import Metrics

MOST_EXPOSED = 2.0
WORDS = re.compile(r"\bdigest_\w+")


@pytest.fixture(scope="module")
def operating(repo_root: Path) -> Path:
    return repo_root / "docs" / "operating"


def names(command: Any) -> dict[str, Any]:
    return getattr(command, "commands", {})


def is_command(words: list[str]) -> bool:
    """Return whether these words name a command of ours, with options that it has."""
    command: Any = get_command(app)
    words = list(words)
    while words and words[0] in names(command):
        command = names(command)[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    return not names(command) and all(word in known for word in words if word.startswith("--"))


def test_the_test_knows_commands() -> None:
    assert is_command(["worker", "--stay"])
    assert not is_command(["worker", "--forever"])
    assert not is_command(["schedule"])
    assert not is_command(["work"])


# systemd


def units(operating: Path, kind: str) -> list[Path]:
    return sorted((operating / "systemd").glob(f"*.{kind}"))


def settings_of(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_units_call_commands_that_there_are(operating: Path) -> None:
    found = units(operating, "service")
    assert len(found) >= 5
    for unit in found:
        (line,) = settings_of(unit)["ExecStart"]
        words = line.split("/opt/digest/bin/digest ", 1)[1].replace('"', "").replace("'", "").split()
        assert is_command(words), unit.name
        assert settings_of(unit)["User"] == ["digest"]


def test_every_timer_has_its_service_and_the_calendar_catches_up(operating: Path) -> None:
    for timer in units(operating, "timer"):
        assert timer.with_suffix(".service").exists()
    assert settings_of(operating / "systemd" / "digest-tick.timer")["Persistent"] == ["true"]


def test_only_a_verified_backup_lets_older_ones_go(operating: Path) -> None:
    unit = settings_of(operating / "systemd" / "digest-backup.service")
    assert [one for key, values in unit.items() if key.startswith("Exec") for one in values] == unit["ExecStart"]
    assert "--keep-days" in unit["ExecStart"][0]


def systemd_analyze() -> str:
    path = shutil.which("systemd-analyze")
    if path is None:
        pytest.skip("no systemd-analyze: apt-get install systemd")
    return path


def test_systemd_finds_nothing_wrong(operating: Path, tmp_path: Path) -> None:
    analyze = systemd_analyze()
    for unit in (operating / "systemd").iterdir():
        text = unit.read_text().replace("/opt/digest/bin/digest", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert [line for line in done.stderr.splitlines() if "digest" in line] == []


def test_services_are_hardened(operating: Path) -> None:
    analyze = systemd_analyze()
    for unit in units(operating, "service"):
        command = [analyze, "security", "--offline=true", "--no-pager", str(unit)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        exposed = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
        if exposed is None:
            pytest.skip(f"this systemd cannot tell: {done.stderr[:200]}")
        assert float(exposed.group(1)) <= MOST_EXPOSED, unit.name


# Docker


def instructions(operating: Path) -> list[tuple[str, str]]:
    text = (operating / "docker" / "Dockerfile").read_text()
    joined = re.sub(r"\\\n\s*", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


def test_the_image_has_two_stages_and_runs_as_nobody_special(operating: Path) -> None:
    found = instructions(operating)
    stages = [value for name, value in found if name == "FROM"]
    assert len(stages) == 2
    assert stages[0].endswith(" AS build")
    users = [value for name, value in found if name == "USER"]
    assert users
    assert users[-1] not in {"root", "0"}
    assert [value for name, value in found if name == "HEALTHCHECK"]
    (command,) = (json.loads(value) for name, value in found if name == "CMD")
    assert is_command(command)


def test_what_the_image_copies_is_there_and_is_not_ignored(operating: Path, repo_root: Path) -> None:
    ignored = (operating / "docker" / "Dockerfile.dockerignore").read_text()
    for name, value in instructions(operating):
        if name == "COPY" and "--from" not in value:
            for source in value.split()[:-1]:
                assert (repo_root / source).exists(), source
                assert f"!{source}" in ignored.splitlines(), source


def test_the_lock_without_hashes_is_a_list_of_constraints(operating: Path, repo_root: Path) -> None:
    (run,) = (value for name, value in instructions(operating) if name == "RUN" and value.startswith("sed "))
    command = run.partition(">")[0]
    done = subprocess.run(["/bin/sh", "-c", command], cwd=repo_root, capture_output=True, text=True, check=True)
    found = [Requirement(line) for line in done.stdout.splitlines() if line.strip()]
    assert len(found) > 50
    assert all(str(one.specifier).startswith("==") for one in found)


@pytest.fixture(scope="module")
def compose(operating: Path) -> Any:
    return yaml.safe_load((operating / "docker" / "compose.yaml").read_text())


def test_services_of_the_compose_file_fit_together(compose: Any, operating: Path) -> None:
    services = compose["services"]
    assert set(services) == {"db", "upgrade", "serve", "worker", "schedule"}
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services)
        for volume in service["volumes"]:
            assert volume.split(":")[0] in compose["volumes"]
        if name != "db":
            assert is_command(service.get("command", ["serve"]))
            assert (operating / "docker" / service["build"]["context"] / service["build"]["dockerfile"]).exists()
            assert service["read_only"] is True
    assert services["serve"]["ports"] == ["127.0.0.1:8025:8025"]


def test_environment_names_are_settings(compose: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    create(tmp_path / "w", sample=False)
    for name, value in compose["services"]["worker"]["environment"].items():
        if name.startswith("DIGEST_") and name != "DIGEST_LOG":
            monkeypatch.setenv(name, value)
            section, key = name.removeprefix("DIGEST_").lower().split("__")
            assert getattr(getattr(load_settings(tmp_path / "w"), section), key) == value
    assert Settings.model_config["env_prefix"] == "DIGEST_"


def test_server_and_client_are_of_one_version(compose: Any, operating: Path) -> None:
    server = re.search(r"postgres:(\d+)", compose["services"]["db"]["image"])
    client = re.search(r"postgresql-client-(\d+)", (operating / "docker" / "Dockerfile").read_text())
    assert server is not None
    assert client is not None
    assert server.group(1) == client.group(1)


# Prometheus


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all figures, as they are in a database with nothing in it."""
    folder = tmp_path_factory.mktemp("metrics") / "w"
    create(folder, sample=False)
    engine = make_engine(f"sqlite:///{folder / 'digest.db'}")
    upgrade(engine)
    page = Metrics(App(load_settings(folder), engine, FrozenClock(datetime(2021, 9, 1, tzinfo=UTC)))).page()
    engine.dispose()
    families = list(text_string_to_metric_families(page.decode()))
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in families}


def test_alerts_ask_for_figures_that_there_are(operating: Path, figures: set[str]) -> None:
    rules = yaml.safe_load((operating / "prometheus" / "alerts.yaml").read_text())["groups"][0]["rules"]
    assert len(rules) >= 10
    for rule in rules:
        used = set(WORDS.findall(rule["expr"]))
        assert used, rule["alert"]
        assert used <= figures, rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["action"]


def test_the_dashboard_asks_for_figures_that_exist_and_shows_all(operating: Path, figures: set[str]) -> None:
    dashboard = json.loads((operating / "prometheus" / "dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    used = {name for expression in expressions for name in WORDS.findall(expression)}
    assert used <= figures
    unshown = {"digest_build_info", "digest_issue_sent_timestamp_seconds"}
    unshown |= {"digest_run_unclaimed_seconds", "digest_run_unfinished_seconds"}
    assert figures - used <= unshown


def test_the_page_that_explains_the_figures_names_each(repo_root: Path, figures: set[str]) -> None:
    page = (repo_root / "docs" / "how-to" / "monitor.md").read_text()
    assert set(WORDS.findall(page)) - {"digest_"} >= figures
    assert {name for name in WORDS.findall(page) if name not in figures} == set()


@pytest.fixture
def promtool() -> str:
    path = shutil.which("promtool") or os.environ.get("PROMTOOL")
    if not path:
        pytest.skip("no promtool: apt-get install prometheus")
    return path


def test_promtool_reads_the_alerts(operating: Path, promtool: str) -> None:
    command = [promtool, "check", "rules", str(operating / "prometheus" / "alerts.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_for_its_cause_and_in_no_ordinary_month(operating: Path, promtool: str) -> None:
    cases = Path(__file__).with_name("alerts.test.yaml")
    rules = (operating / "prometheus" / "alerts.yaml").read_text()
    assert set(re.findall(r"alert: (\w+)", rules)) == set(re.findall(r"alertname: (\w+)", cases.read_text()))
    done = subprocess.run(
        [promtool, "test", "rules", str(cases)], capture_output=True, text=True, check=False, timeout=60, cwd=operating
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_images_health_check_fails_where_nobody_answers(operating: Path) -> None:
    (check,) = (value for name, value in instructions(operating) if name == "HEALTHCHECK")
    words = json.loads(check[check.index("[") :])
    assert words[0] == "python"
    nobody = re.sub(r":8025", ":1", words[2])
    assert subprocess.run([sys.executable, "-c", nobody], capture_output=True, check=False, timeout=30).returncode != 0
