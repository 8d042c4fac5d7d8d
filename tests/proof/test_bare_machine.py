"""The README's two commands on a machine that has nothing but Python and git."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bare_machine import BareMachine, NoBareMachineError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]

CHECKOUT = "/srv/digestpress"
SECONDS = 1_700
NO_REGISTRY = ("NewConnectionError", "Could not fetch URL", "Temporary failure", "Failed to fetch")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, repo_root: Path) -> Iterator[BareMachine]:
    root = tmp_path_factory.mktemp("bare") / "root"
    try:
        made = BareMachine.make(root)
    except NoBareMachineError as error:
        pytest.skip(str(error))
    made.clone(repo_root, CHECKOUT)
    yield made
    shutil.rmtree(root)  # pytest would keep its gigabytes for three runs


def said_by(machine: BareMachine, *command: str) -> str:
    """Run a command of the README; skip where there is no registry to install from."""
    done = machine.run(*command, cwd=CHECKOUT, seconds=SECONDS)
    if done.returncode != 0 and not os.environ.get("CI"):
        for sign in NO_REGISTRY:
            if sign in done.stdout:
                pytest.skip(f"no registry to install from: {sign}")
    assert done.returncode == 0, done.stdout[-4_000:]
    return done.stdout


def test_the_demo_runs_on_a_bare_machine(machine: BareMachine) -> None:
    said = said_by(machine, "scripts/demo")
    assert "bootstrap: done" in said
    assert "Issue 21: 13 articles" in said


def test_the_tests_run_on_a_bare_machine(machine: BareMachine) -> None:
    said = said_by(machine, "scripts/test", "tests/unit/digest/calendar")
    assert " passed" in said.splitlines()[-1]
