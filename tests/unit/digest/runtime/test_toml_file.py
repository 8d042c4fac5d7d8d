"""Changing a TOML file: what was not changed stays byte for byte, and what cannot be changed is said with its line."""

from pathlib import Path

import pytest

from digest.runtime.errors import ConfigError, EnvironmentFailedError
from digest.runtime.toml_file import MAX_BYTES, TomlFile, read_toml

TEXT = """# ours
[publication]
name = { en = "News", ko = "소식" }   # what readers see
language = "en"

# Sections, in order.
[[section]]
slug = "one"
"""


def changed(values: dict[tuple[str, ...], object], text: str = TEXT) -> str:
    return TomlFile(Path("digest.toml"), text).changed(values)


def test_a_changed_value_leaves_the_rest_as_it_is() -> None:
    assert changed({("publication", "name", "ko"): "새 소식"}) == TEXT.replace("소식", "새 소식")


def test_a_new_key_stands_before_the_next_tables_comment() -> None:
    made = changed({("publication", "logo", "src"): "a.png", ("publication", "logo", "width"): 90})
    assert made == TEXT.replace('"en"\n\n#', '"en"\nlogo = {src = "a.png", width = 90}\n\n#')


def test_a_removed_key_takes_only_its_line() -> None:
    assert changed({("publication", "language"): None, ("no", "such"): None}) == TEXT.replace('language = "en"\n', "")


def test_a_missing_file_is_begun() -> None:
    assert changed({("light", "accent"): "#7a1f3d"}, "") == '[light]\naccent = "#7a1f3d"\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a = 1\nb = = 2\n", "line 2"),
        (b"a = 1\nb = '\xff'\n", "line 2: this is not UTF-8"),
        (b"#" * (MAX_BYTES + 1), "more than 1,000,000 bytes"),
    ],
)
def test_an_unfit_file_is_refused_with_its_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "digest.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        read_toml(tmp_path / "digest.toml", tmp_path)


def test_a_link_out_of_the_workspace_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "workspace"
    inside.mkdir()
    (tmp_path / "theme.toml").write_text("")
    (inside / "theme.toml").symlink_to(tmp_path / "theme.toml")
    with pytest.raises(ConfigError, match="points outside"):
        read_toml(inside / "theme.toml", inside)


def test_a_key_that_holds_no_table_is_replaced_by_one() -> None:
    assert changed({("publication", "name"): {"en": "A", "ko": "B"}}, '[publication]\nname = "A"\n').endswith(
        'name = {en = "A", ko = "B"}\n'
    )


def test_a_written_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "digest.toml"
    path.write_text(TEXT)
    path.chmod(0o640)
    read_toml(path, tmp_path).write("a = 1\n")
    assert (path.read_text(), path.stat().st_mode & 0o777, [*tmp_path.iterdir()]) == ("a = 1\n", 0o640, [path])


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "templates").write_text("a file, not a folder")
    with pytest.raises(EnvironmentFailedError, match="cannot be written"):
        TomlFile(tmp_path / "templates" / "theme.toml", "").write("a = 1\n")
