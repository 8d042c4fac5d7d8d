"""What people install is the wheel, not the checkout: its contents, its declared dependencies, and the main job from it.

The clean environment gets the wheel by pip, and links to exactly those installed distributions that the wheel declares
(without extras). So nothing is downloaded, the checkout is not on its path, and a dependency that only `dev` brings
would be missed here.
"""

import os
import re
import signal
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from importlib.metadata import Distribution, distribution
from pathlib import Path
from urllib.request import urlopen

import pytest
from packaging.requirements import Requirement
from readme_renderer import markdown


@pytest.fixture(scope="module")
def wheel(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(repo_root)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = target.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_it_holds_the_two_packages_and_nothing_beside_them(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"digest", "subscribers"}
    assert len(tops) == 3


def test_it_holds_every_file_of_the_packages_and_the_templates(names: set[str], repo_root: Path) -> None:
    wanted = {f"{package}/{name}" for package in ("digest", "subscribers") for name in _files(repo_root / package)}
    wanted |= {f"digest/_templates/{name}" for name in _files(repo_root / "templates")}
    wanted |= {f"digest/_operating/{name}" for name in _files(repo_root / "docs" / "operating")}
    assert {name for name in names if ".dist-info/" not in name} == wanted


@pytest.mark.parametrize(
    "name",
    [
        "digest/_templates/email/digest/body.mjml.j2",
        "digest/_templates/theme.toml",
        "digest/workspace/sample/digest.toml",
        "digest/workspace/sample/articles/images/wsce-2021.jpg",
        "digest/locale/ko/LC_MESSAGES/messages.po",
        "digest/migrations/env.py",
        "digest/_operating/systemd/digest-worker.service",
        "digest/_operating/docker/compose.yaml",
        "digest/py.typed",
        "subscribers/py.typed",
    ],
)
def test_what_is_not_code_comes_along(names: set[str], name: str) -> None:
    assert name in names


def test_its_metadata_says_what_an_index_shows(wheel: Path, repo_root: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    shown = markdown.render(str(metadata.get_payload(decode=True), "utf-8"))
    assert shown is not None
    assert "<table>" in shown
    assert shown.count("<img") == 2
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert {url.split(",")[0] for url in metadata.get_all("Project-URL", [])} >= {"Source", "Documentation", "Issues"}
    changes = (repo_root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(\d[\d.]*)\]", changes, re.MULTILINE)[0] == metadata["Version"]


def test_its_licence_comes_along(names: set[str]) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def _files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix()


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a clean environment with the wheel and its declared dependencies."""
    if sys.platform == "win32":
        pytest.skip("links to distributions need a POSIX system")
    root = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(root, with_pip=True)
    pip = [str(root / "bin" / "python"), "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, "--disable-pip-version-check", str(wheel)], check=True)
    (packages,) = root.glob("lib/python*/site-packages")
    ours = Distribution.at(next(packages.glob("digestpress-*.dist-info")))
    for needed in _closure(ours):
        _link(distribution(needed), packages)
    return root / "bin"


def _closure(start: Distribution) -> set[str]:
    found: set[str] = set()
    queue: list[tuple[Distribution, frozenset[str]]] = [(start, frozenset())]
    while queue:
        current, extras = queue.pop()
        for text in current.requires or []:
            requirement = Requirement(text)
            wanted = requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in extras or {""}
            )
            if wanted and requirement.name not in found:
                found.add(requirement.name)
                queue.append((distribution(requirement.name), frozenset(requirement.extras)))
    return found


def _link(needed: Distribution, packages: Path) -> None:
    for top in {path.parts[0] for path in needed.files or [] if path.parts[0] not in {"..", "__pycache__"}}:
        target = packages / top
        if not target.exists():
            target.symlink_to(Path(str(needed.locate_file(top))))


def _run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, env=_environment(), capture_output=True, text=True, check=False)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DIGEST_", "VIRTUAL_"))}


def test_the_installed_packages_are_the_wheel_s(installed: Path, tmp_path: Path) -> None:
    done = _run(
        str(installed / "python"),
        "-c",
        "import digest, subscribers; print(digest.__file__, subscribers.__file__)",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert all(str(installed.parent) in path for path in done.stdout.split())


def test_python_m_digest_is_the_command_too(installed: Path, tmp_path: Path) -> None:
    done = _run(str(installed / "python"), "-W", "error", "-m", "digest", "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout[:7]) == (0, "digest "), done.stderr


def test_the_demo_runs_from_the_wheel_and_shows_it(installed: Path, tmp_path: Path) -> None:
    command = [str(installed / "digest"), "demo", "--keep", str(tmp_path / "kept"), "--look"]
    with subprocess.Popen(command, cwd=tmp_path, env=_environment(), stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = next((line for line in process.stderr if "http://" in line), "nothing")
            address = re.search(r"http://[\d.]+:\d+", said)
            assert address is not None, said
            with urlopen(address[0]) as page:
                assert "No. 21" in page.read().decode()
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert (tmp_path / "kept" / "digest.toml").is_file()
