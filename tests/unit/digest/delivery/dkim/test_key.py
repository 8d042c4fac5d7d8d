"""Keys: what cannot sign or is not secret is refused by name, with what to do; what was made is found again."""

import base64
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.delivery.dkim.key import Record, generate, load, record_of
from digest.runtime.errors import ConfigError, EnvironmentFailedError, RefusedError

# cryptography makes none below 1024 bits; this one was made with `openssl genrsa 512` for this test
TINY = """\
-----BEGIN PRIVATE KEY-----
MIIBVAIBADANBgkqhkiG9w0BAQEFAASCAT4wggE6AgEAAkEAu7ffXqdSLMDybjNQ
CgGikaW0+RsphsaKPbDxUM4FgQRCw8cpmVN4fN+S1FEcOXwg0QWc5vAXC2K3cUAX
kQU2mQIDAQABAkBD95pv2iNdwurETd3wEZF8LMRu4Y/SlbZeCeAGAuJpSLN3SI//
tcvhiEn4jCTSIETtDGdRTA8VmlelNfWNf3HRAiEA7DqdScuCExS1RcLMlrfUu0uh
nkW1OSZoB75yjjMI4u0CIQDLbeESCwMwfF7IF1/j//muBuymAXAHQBgdWL6u8wSQ
3QIhANIdQJHGxaebH7ExFzBnynvdRZ+1eP+gPZ/FsbbxhdHxAiA2/O2Qxf9HtOad
6YuXAtNH0kFXoh3ZJ98c16c7fR8n1QIgBRPhcEUaXnJJgE7E37ibFG7zN4WPXMzV
CUN3MLHXFFY=
-----END PRIVATE KEY-----
"""


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_of_2048_bits_that_only_its_owner_reads_is_taken(
    tmp_path: Path, key: rsa.RSAPrivateKey, form: PrivateFormat
) -> None:
    content = key.private_bytes(Encoding.PEM, form, NoEncryption())
    for mode in (0o600, 0o400):
        path = write(tmp_path / f"{mode:o}.pem", content, mode)
        signer = load(path, "dp202611", "example.org")
        assert signer.key.private_numbers() == key.private_numbers()


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "does not contain a private key"),
    "garbage": (lambda: b"\xff\x00" * 100, "does not contain a private key"),
    "cut off": (lambda: pem(rsa.generate_private_key(65537, 2048))[:800], "does not contain a private key"),
    "huge": (lambda: b"-----BEGIN PRIVATE KEY-----\n" + b"A" * 10_000_000, "does not contain a private key"),
    "a public key": (
        lambda: (
            rsa.generate_private_key(65537, 2048)
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        ),
        "does not contain a private key",
    ),
    "encrypted": (
        lambda: rsa.generate_private_key(65537, 2048).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
        ),
        "encrypted",
    ),
    "Ed25519": (lambda: pem(ed25519.Ed25519PrivateKey.generate()), "not an RSA key"),
    "elliptic": (lambda: pem(ec.generate_private_key(ec.SECP256R1())), "not an RSA key"),
    "512 bits": (TINY.encode, "512 bits"),
    "1024 bits": (lambda: pem(rsa.generate_private_key(65537, 1024)), "1024 bits"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_sign_is_refused_by_the_name_of_its_file(tmp_path: Path, kind: str) -> None:
    make, words = REFUSED[kind]
    path = write(tmp_path / "dkim.pem", make())
    with pytest.raises(ConfigError) as refusal:
        load(path, "dp202611", "example.org")
    assert str(path) in refusal.value.message
    assert words in refusal.value.message
    assert refusal.value.hint != ConfigError.default_hint
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601, 0o777])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, key: rsa.RSAPrivateKey, mode: int) -> None:
    path = write(tmp_path / "dkim.pem", pem(key), mode)
    with pytest.raises(ConfigError, match=f"mode {mode:04o}") as refusal:
        load(path, "dp202611", "example.org")
    assert refusal.value.hint == f"chmod 600 {path}"


def test_a_key_that_is_not_there_or_not_a_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    for name, words in (
        ("none", "There is no"),
        (".", "cannot be read"),
        ("pipe", "not a file"),
        ("file/below", "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=words) as refusal:
            load(tmp_path / name, "dp202611", "example.org")
        assert str(tmp_path) in refusal.value.message
        assert refusal.value.hint


@pytest.mark.parametrize(
    "name", ["", "a b", "a;d=evil.example", "a\r\nX: y", "a\n", "스마트", "-a", "a..b", ".a", "a.", "x" * 64, "a_b"]
)
def test_a_name_that_cannot_stand_in_dns_is_refused(tmp_path: Path, key: rsa.RSAPrivateKey, name: str) -> None:
    path = write(tmp_path / "dkim.pem", pem(key))
    with pytest.raises(ConfigError, match="selector"):
        load(path, name, "example.org")
    with pytest.raises(ConfigError, match="domain"):
        load(path, "dp202611", name)


def test_a_made_key_is_secret_found_again_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "dkim.pem"
    before = os.umask(0)
    try:
        made = generate(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_bytes()
    assert load(path, "s", "example.org").key.private_numbers() == made.private_numbers()
    with pytest.raises(RefusedError, match="never overwritten"):
        generate(path)
    assert path.read_bytes() == content
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError):
        generate(tmp_path / "link")
    with pytest.raises(EnvironmentFailedError):
        generate(tmp_path / "nowhere" / "dkim.pem")


def test_a_key_that_could_not_be_made_leaves_no_file_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1024"):
        generate(tmp_path / "dkim.pem", 3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bits", [2048, 4096])
def test_the_record_holds_the_public_key_in_strings_dns_can_keep(bits: int) -> None:
    key = rsa.generate_private_key(65537, bits)
    record = record_of(key, "dp202611", "news.example.org")
    assert record.name == "dp202611._domainkey.news.example.org"
    head, _, public = record.value.partition("; p=")
    assert head == "v=DKIM1; k=rsa"
    found = load_der_public_key(base64.b64decode(public, validate=True))
    assert isinstance(found, rsa.RSAPublicKey)
    assert found.public_numbers() == key.public_key().public_numbers()
    assert max(map(len, record.strings)) == 255
    assert '"' not in record.value
    quoted = record.zone_line.split('"')[1::2]
    assert "".join(quoted) == record.value


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=1000))
def test_strings_have_at_most_255_bytes_and_join_to_the_value(value: str) -> None:
    strings = Record("name", value).strings
    assert "".join(strings) == value
    assert all(0 < len(string.encode()) <= 255 for string in strings)
