"""Files of secrets: what is unreadable or can be guessed is refused, with the setting's name."""

from pathlib import Path

import pytest

from digest.runtime.errors import ConfigError
from digest.runtime.secret_file import read_token_file

TOKEN = "a token that is long enough"


@pytest.mark.parametrize("content", [b"", b"short", "ein Wort mit ü, lang genug".encode(), b"\xff" * 40])
def test_a_token_that_can_be_guessed_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "metrics.token"
    with pytest.raises(ConfigError):
        read_token_file(path, "[metrics] token_file")
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"\[metrics\] token_file"):
        read_token_file(path, "[metrics] token_file")
    path.write_text(f"{TOKEN}\n")
    assert read_token_file(path, "[metrics] token_file") == TOKEN.encode()
