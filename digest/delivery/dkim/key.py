"""DKIM keys: loading and validation, generation, and the DNS record that verifiers read."""

import base64
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from digest.delivery.dkim.sign import DkimSigner
from digest.runtime.errors import ConfigError, EnvironmentFailedError, RefusedError

# RFC 8301 section 3.2: signers should use 2048 bits or more; beyond 4096 no verifier has to follow.
MIN_BITS, MAX_BITS = 2048, 4096
_MAX_FILE = 64 * 1024
_STRING = 255  # RFC 1035 section 3.3: the most bytes of one string in a TXT record
# RFC 6376 section 3.1: a selector is labels with dots between. A name goes into a header: nothing else may be in it.
_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_ANOTHER_KEY = "To create a key: digest dkim generate. Then set it as [dkim] key_file and selector."


@dataclass(frozen=True, slots=True)
class Record:
    """TXT record in DNS: `value` as a whole, `strings` of at most 255 bytes as DNS stores it."""

    name: str
    value: str

    @property
    def strings(self) -> tuple[str, ...]:
        return tuple(self.value[i : i + _STRING] for i in range(0, len(self.value), _STRING))

    @property
    def zone_line(self) -> str:
        """The record as a zone file line (RFC 1035 section 5.1)."""
        strings = "\n".join(f'    "{string}"' for string in self.strings)
        return f"{self.name}. IN TXT (\n{strings} )"


def load(path: Path, selector: str, domain: str) -> DkimSigner:
    """Return a signer with the key in `path` (PEM). Raises ConfigError for unusable names and keys."""
    check_names(selector, domain)
    data = _read(path)
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError as error:
        message = f"The DKIM key {path} is encrypted, so it cannot be used without a password"
        raise ConfigError(
            message, hint=f"Write an unencrypted copy: openssl pkey -in {path} -out NEW; chmod 600 NEW"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path} does not contain a private key in PEM form", hint=_ANOTHER_KEY) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        # RFC 8463 knows Ed25519, but the large providers do not verify it
        raise ConfigError(f"The DKIM key {path} is not an RSA key", hint=_ANOTHER_KEY)
    if not MIN_BITS <= key.key_size <= MAX_BITS:
        message = f"The DKIM key {path} has {key.key_size} bits; it must have {MIN_BITS} to {MAX_BITS}"
        raise ConfigError(message, hint=_ANOTHER_KEY)
    return DkimSigner(key, selector, domain)


def generate(path: Path, bits: int = MIN_BITS) -> rsa.RSAPrivateKey:
    """Generate a key of 2048 to 4096 bits into a new file (mode 0600)."""
    try:
        # Created with its mode, not changed afterwards: it is never readable by others.
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except FileExistsError as error:
        hint = "Choose another --selector, or run `digest dkim show` to print the record of the existing key."
        raise RefusedError(f"{path} already exists; keys are never overwritten", hint=hint) from error
    except OSError as error:
        raise EnvironmentFailedError(f"{path} cannot be created: {error.strerror}") from error
    try:
        with file:
            key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    except BaseException:
        path.unlink()  # half a key would stand in the way of the next try
        raise
    return key


def record_of(key: rsa.RSAPrivateKey, selector: str, domain: str) -> Record:
    """Return the record that verifies what `key` signs (RFC 6376 section 3.6.1)."""
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    value = f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
    return Record(f"{selector}._domainkey.{domain}", value)


def check_names(selector: str, domain: str) -> None:
    """Raise ConfigError unless both can stand in DNS and in a header."""
    if not _NAME.fullmatch(selector):
        message = f"The DKIM selector {selector[:80]!r} is not a valid DNS name"
        raise ConfigError(message, hint="Use letters, digits and hyphens, such as dp202611.")
    if not _NAME.fullmatch(domain):
        message = f"The DKIM domain {domain[:80]!r} is not a valid DNS name"
        raise ConfigError(message, hint="Write it as in example.org; write non-ASCII domains as xn--….")


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"The DKIM key {path} is not a file", hint=_ANOTHER_KEY)
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                message = f"Other users can read the DKIM key {path} (mode {stat.S_IMODE(status.st_mode):04o})"
                raise ConfigError(message, hint=f"chmod 600 {path}")
            return file.read(_MAX_FILE)
    except FileNotFoundError as error:
        hint = "Run `digest dkim generate` to create it, or correct [dkim] key_file in digest.toml."
        raise ConfigError(f"There is no DKIM key {path}", hint=hint) from error
    except OSError as error:
        hint = "Correct [dkim] key_file in digest.toml, or the owner of the file."
        raise ConfigError(f"The DKIM key {path} cannot be read: {error.strerror}", hint=hint) from error


def _without_waiting(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NONBLOCK)  # else a pipe waits for a writer, for ever
