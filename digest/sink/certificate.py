"""Self-signed certificate of the sink for 127.0.0.1 and localhost: kept between runs, so that it can be trusted."""

import contextlib
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from digest.runtime.atomic_file import private_folder, whole_file
from digest.runtime.errors import EnvironmentFailedError

CERTIFICATE = "certificate.pem"
KEY = "certificate-key.pem"
_DAYS = 365


def server_context(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a TLS server context and the certificate file that a client must trust.

    The pair in `folder` is reused while it fits together and has a day left. Raises EnvironmentFailedError if it cannot
    be written.
    """
    certificate, key = folder / CERTIFICATE, folder / KEY
    if not _is_usable(certificate, key):
        try:
            private_folder(folder)
            _make(certificate, key)
        except OSError as error:
            raise EnvironmentFailedError(
                f"The certificate {certificate} cannot be written: {error.strerror}.",
                hint="Check free space and permissions.",
            ) from error
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context, certificate


def _is_usable(certificate: Path, key: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):  # ssl.SSLError is an OSError
        read = x509.load_pem_x509_certificate(certificate.read_bytes())
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, password=b"")
        return read.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1)
    return False


def _make(certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "digest sink")])
    names = [x509.DNSName("localhost"), *(x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "::1"))]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        # An hour back, for clocks that disagree.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        # Not an authority: trusting it means trusting this server, and nothing signed with its key.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for path, content, mode in ((key, secret, 0o600), (certificate, made.public_bytes(pem), 0o644)):
        with whole_file(path, mode=mode) as partial:
            partial.write_bytes(content)
