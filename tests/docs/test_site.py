"""The documentation's site: it builds strictly, and its pages load nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*(?:src|href)=[\"']?((?:https?:)?//[^\"' >]+)")


def test_it_builds_strictly_and_loads_nothing_from_elsewhere(repo_root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=repo_root, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > len(list((repo_root / "docs").rglob("*.md")))
    assert {found for page in pages for found in LOADED.findall(page.read_text(encoding="utf-8"))} == set()
    # the theme asks the repository's host for stars, and a CDN for Mermaid
    assert not [page for page in pages if re.search(r'class="md-source"|<pre class="mermaid"', page.read_text("utf-8"))]
    assert (tmp_path / "search" / "search_index.json").stat().st_size > 100_000


def test_every_picture_is_shown_described_and_small(repo_root: Path) -> None:
    pictures = {path.name: path.stat().st_size for path in (repo_root / "docs" / "images").iterdir()}
    pages = [*(repo_root / "docs").rglob("*.md"), repo_root / "README.md", repo_root / "templates" / "README.md"]
    shown = [
        found for page in pages for found in re.findall(r"!\[([^\]]*)\]\(\S*/?images/(\S+)\)", page.read_text("utf-8"))
    ]
    assert {name for _, name in shown} == pictures.keys()
    assert all(len(alt) > 20 for alt, _ in shown)
    assert sum(pictures.values()) < 1_500_000
