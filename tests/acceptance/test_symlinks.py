"""Nothing outside of the workspace is read through a link; a workspace behind a link works."""

import shutil
from pathlib import Path

import pytest

from digest.render.loader import packaged_directory
from tests.support.world import World

pytestmark = pytest.mark.one_database
SECRET = "what only another user may read"
ARTICLE = f"---\ntitle: Taken\nsummary: {SECRET}\n---\n{SECRET}\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "a.md").write_text(ARTICLE)
    (folder / "far.md").symlink_to("a.md")
    return folder


def refusal(world: World, *arguments: str, code: int) -> str:
    done = world.call(*arguments)
    assert (done.returncode, SECRET in done.stdout + done.stderr) == (code, False), (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("target", ["a.md", "far.md"])
def test_an_article_that_leads_out_is_named_and_not_read(sample: World, outside: Path, target: str) -> None:
    articles = sample.folder / "articles"
    (articles / "link.md").symlink_to(outside / target)
    (articles / "again.md").symlink_to("link.md")
    (articles / "folder").symlink_to(outside)
    told = refusal(sample, "articles", "import", "articles", code=1)
    for name in ("link.md", "again.md", "folder"):
        assert f"articles/{name}: This link points outside the imported folder." in told
    assert "points outside" in refusal(sample, "articles", "import", "articles/link.md", code=2)
    assert "points outside" in refusal(sample, "articles", "import", "articles/folder/a.md", code=2)
    assert "points outside" in refusal(sample, "articles", "import", "articles/folder", code=2)
    assert "taken" not in sample.digest("articles", "list", "--json")
    # who names the other folder itself means it
    (outside / "far.md").unlink()
    sample.digest("articles", "import", str(outside))


def test_a_link_inside_is_followed(sample: World) -> None:
    (sample.folder / "articles" / ".hidden.md").write_text(ARTICLE)
    (sample.folder / "articles" / "link.md").symlink_to(".hidden.md")
    sample.digest("articles", "import", "articles")
    assert '"taken"' in sample.digest("articles", "list", "--json")


@pytest.mark.parametrize(
    "name", ["email/digest/body.mjml.j2", "email/layouts/adapt.mjml.j2", "email/components", "theme.toml", "email"]
)
@pytest.mark.parametrize("through", ["link", "chain"])
def test_a_template_that_leads_out_is_named_and_not_used(
    approved: World, outside: Path, name: str, through: str
) -> None:
    source, override = packaged_directory() / name, approved.folder / "templates" / name
    copy = outside / "templates" / name
    (shutil.copytree if source.is_dir() else _copied)(source, copy)
    override.parent.mkdir(parents=True, exist_ok=True)
    if through == "chain":
        (approved.folder / "between").symlink_to(copy)
    override.symlink_to(copy if through == "link" else approved.folder / "between")
    told = refusal(approved, "issue", "check", "21", code=1)
    assert f"{override}" in told
    assert "is a link that points outside the workspace" in told
    assert "Copy the file itself to templates/" in told
    found = [one["id"] for one in approved.json("doctor", expect=1)["findings"] if "points outside" in one["message"]]
    assert found
    assert set(found) <= {"template", "theme"}
    override.unlink()
    shutil.move(copy, override)
    assert "points outside" not in approved.call("issue", "check", "21").stderr


def _copied(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True)
    shutil.copyfile(source, to)


def test_a_workspace_behind_a_link_works(approved: World, tmp_path: Path) -> None:
    link, here = tmp_path / "link", approved.folder
    link.symlink_to(here)
    override = here / "templates" / "theme.toml"
    shutil.copyfile(packaged_directory() / "theme.toml", here / "theme.toml")
    override.symlink_to("../theme.toml")  # inside
    for folder, arguments in ((link, []), (tmp_path, ["--workspace", str(link)])):
        approved.digest("articles", "import", str(link / "articles"), *arguments, cwd=folder)
        approved.digest("issue", "check", "21", *arguments, cwd=folder)
    approved.digest("articles", "import", "articles", cwd=link)
