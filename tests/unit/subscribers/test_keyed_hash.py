"""The keyed hash is HMAC-SHA256, whatever the length of its key."""

import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from itsdangerous import URLSafeSerializer

from subscribers.keyed_hash import KeyedHash
from subscribers.links import LinkSigner, Purpose


@pytest.mark.parametrize("length", [0, 1, 16, 63, 64, 65, 200])
def test_a_keyed_hash_is_what_hmac_says(length: int) -> None:
    key = bytes(number % 251 for number in range(length))
    keyed = KeyedHash(key)
    for message in (b"", b"a", b"m" * 1_000, b"a"):  # the last shows that a message leaves no trace
        assert keyed.digest(message) == hmac.digest(key, message, hashlib.sha256)


def test_tokens_of_earlier_versions_and_ours_are_the_same() -> None:
    """Made with the library, as every version has: links in mail of years ago go on working, with an old key, too."""
    now, old, new = datetime(2026, 12, 1, tzinfo=UTC), "an older secret of ours", "the secret that signs now"
    signer = LinkSigner([new, old], "https://news.example.org")
    for key in (new, old):
        settings = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
        library = URLSafeSerializer(key, salt="digestpress.link.unsubscribe", signer_kwargs=settings)
        for ref in ("a" * 32, "0123456789abcdef", "ref+/-_", "~" * 40):
            token = library.dumps([ref, ""])
            assert signer.read(Purpose.UNSUBSCRIBE, token, now).ref == ref
            if key == new and not token.startswith("."):  # the library may compress; both can be read
                assert signer.token(Purpose.UNSUBSCRIBE, ref) == token
    fixed = "WyI0Zjk4Y2IiLCIiXQ.dPl-CwYR2dLghjm-xQUX5bYcEY3uRX38Qxj5G2eaBkM"  # of version 0.1.0
    assert signer.token(Purpose.UNSUBSCRIBE, "4f98cb") == fixed
