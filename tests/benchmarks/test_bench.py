"""The benchmarks run: a figure that cannot be measured any more is noticed before somebody needs it."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def benchmarks(repo_root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that imports one of the benchmarks' modules."""
    monkeypatch.syspath_prepend(str(repo_root / "tests" / "benchmarks"))

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


def bench(root: Path, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"tests/benchmarks/{name}.py", *arguments]
    env = {**os.environ, "PYTHONPATH": str(root), **environment}
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False, timeout=250)


def test_the_build_benchmark_prints_its_rows(repo_root: Path) -> None:
    done = bench(repo_root, "build", "--quick")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("bound") == 11


@pytest.mark.slow
def test_the_desk_benchmark_prints_its_rows(repo_root: Path) -> None:
    done = bench(repo_root, "desk", "--quick")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("bound") == 2


@pytest.mark.slow
def test_deliveries_benchmark_measures_each_row_or_says_why_not(
    repo_root: Path, tmp_path: Path, benchmarks: Any
) -> None:
    data = measured_deliveries(repo_root, tmp_path, benchmarks)
    measured = {row["name"] for row in data["rows"]}
    assert measured | set(data["left_out"]) >= set(benchmarks("rows").ROWS)
    assert not measured & set(data["left_out"])
    assert "memory" in measured or data["left_out"]["memory"].startswith("no ")  # it needs one of the two sinks


def test_the_benchmark_of_deliveries_measures_a_row(repo_root: Path, tmp_path: Path, benchmarks: Any) -> None:
    data = measured_deliveries(repo_root, tmp_path, benchmarks, "--row", "dkim")
    assert [row["name"] for row in data["rows"]] == ["dkim"]


def measured_deliveries(repo_root: Path, folder: Path, benchmarks: Any, *rows: str) -> Any:
    figures = folder / "figures.json"
    done = bench(repo_root, "deliver", "--quick", *rows, "--json", str(figures))
    assert done.returncode == 0, done.stderr
    data = json.loads(figures.read_text(encoding="utf-8"))
    assert 90_000 < data["settings"]["message_bytes"] < 105_000
    for row in data["rows"]:
        assert row["what"] in done.stdout
    assert "## The machine" in benchmarks("page").page(data)
    return data


def test_audience_benchmark_measures_each_row_or_says_why_not(repo_root: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    options = ["--row", "freeze-sqlite", "--row", "import-sqlite", "--row", "import-postgresql"]
    done = bench(repo_root, "audience", "--quick", *options, "--json", str(figures))
    assert done.returncode == 0, done.stderr
    data = json.loads(figures.read_text(encoding="utf-8"))
    assert {row["name"] for row in data["rows"]} == {"freeze-sqlite", "import-sqlite", "import-sqlite-memory"}
    assert data["left_out"] == {"import-postgresql": "starts a server"}


def test_without_a_compiler_the_cheap_sink_s_rows_are_left_out(repo_root: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    options = ["--quick", "--row", "cheap", "--row", "far", "--json", str(figures)]
    done = bench(repo_root, "deliver", *options, PATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    why = "no C compiler for the cheap sink"
    assert json.loads(figures.read_text(encoding="utf-8"))["left_out"] == {"cheap": why, "far": why}
    assert why in done.stdout


@pytest.mark.parametrize("page", ["page", "audience_page"])
def test_the_page_about_speed_fits_its_figures(repo_root: Path, page: str) -> None:
    done = bench(repo_root, page, "--check")
    assert done.returncode == 0, done.stderr


def test_a_round_that_missed_a_reader_counts_for_nothing(tmp_path: Path, benchmarks: Any) -> None:
    ours, databases, world, sinks = (benchmarks(name) for name in ("ours", "databases", "world", "sinks"))
    planned = world.plan(tmp_path / "workspace", databases.SqliteBase(tmp_path / "db"), 3)
    with planned.base.connect() as connection:
        connection.exec_driver_sql("UPDATE delivery SET state = 'accepted'")
        connection.exec_driver_sql(
            "INSERT INTO attempt (id, delivery_id, worker_id, started_at, ended_at, reply, relay)"
            " SELECT 'a' || id, id, 'w', '2021-09-30 09:00:00.000000', '2021-09-30 09:00:02.500000', '', '' FROM delivery"
        )
        connection.commit()
    sink = sinks.CheapSink()
    sink.got = sinks.Got(3, 3, 1)
    assert ours._checked(planned, [sink]) == 2.5
    for got, told in (((2, 2, 1), "got"), ((4, 3, 2), "more than one")):
        sink.got = sinks.Got(*got)
        with pytest.raises(ours.WrongError, match=told):
            ours._checked(planned, [sink])
    sink.got = sinks.Got(3, 3, 1)
    with planned.base.connect() as connection:
        connection.exec_driver_sql("UPDATE delivery SET state = 'uncertain' WHERE id = 1")
        connection.commit()
    with pytest.raises(ours.WrongError, match="uncertain"):
        ours._checked(planned, [sink])
    planned.restore()
    assert planned.facts() == {"states": {"pending": 3}, "attempts": 0, "attempted": 0, "seconds": 0.0}


def test_a_bound_says_whether_aim_least_or_nothing_is_reached(benchmarks: Any) -> None:
    bound = benchmarks("report").Bound
    assert [bound(1.1, 1.4).verdict(value) for value in (1.5, 1.4, 1.2, 1.1, 1.0)] == ["aim", "aim", "yes", "yes", "no"]
    assert [bound(2.5, 1.5, below=True).verdict(value) for value in (1.4, 2.0, 2.6)] == ["aim", "yes", "no"]
    assert [bound(120, below=True).verdict(value) for value in (119, 121)] == ["yes", "no"]


def test_figures_come_back_from_their_document_as_they_were(benchmarks: Any) -> None:
    report = benchmarks("report")
    spread = report.Spread.of([3.0, 1.0, 2.0])
    assert spread == report.Spread(2.0, 1.0, 3.0)
    row = report.Row("r", "what", "/s", spread, None, spread, report.Bound(1), 3, details={"peak": spread})
    assert report.row_of(json.loads(json.dumps(row.document()))) == row


def test_a_measured_process_that_fails_has_its_last_words_told(tmp_path: Path, benchmarks: Any) -> None:
    measure = benchmarks("measure")
    code = "import sys; print('half', flush=True); sys.exit('no relay')"
    with pytest.raises(measure.FailedError, match="exited 1: no relay"):
        measure.run([sys.executable, "-c", code], folder=tmp_path)


def test_a_process_is_measured_alone(tmp_path: Path, benchmarks: Any) -> None:
    ballast = bytearray(300 * 2**20)  # its maker's size must not be taken for its own
    code = "import time; end = time.process_time() + 0.4\nwhile time.process_time() < end: pass\nprint('done')"
    done = benchmarks("measure").run([sys.executable, "-c", code], folder=tmp_path)
    assert done.output == "done\n"
    assert 0.4 <= done.cpu <= done.seconds + 0.1
    if Path("/proc/self/status").exists():
        assert 0 < done.peak < len(ballast) / 2**20


def test_older_figures_stay_until_they_are_measured_again(benchmarks: Any) -> None:
    def figures(date: str, *names: str, **left_out: str) -> dict[str, Any]:
        return {"machine": {"measured": date}, "rows": [{"name": name} for name in names], "left_out": left_out}

    page = benchmarks("audience_page")
    once = page.merged(figures("monday", "a", "b-memory"), figures("tuesday", "a", b="no server", c="no wrk"))
    assert once["rows"] == [{"name": "a"}, {"measured": "monday", "name": "b-memory"}]
    assert once["left_out"] == {"c": "no wrk"}
    again = page.merged(once, figures("wednesday", "a"))
    assert again["rows"][1]["measured"] == "monday"
    assert page._older(again) == "\nMeasured earlier, on monday: b-memory.\n"
