"""Access tokens for the login at a relay: printed by a command, or by OAuth 2.0 (RFC 6749) from a refresh token.

A token is never logged, and stands in no error.
"""

import json
import logging
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from digest.delivery.outcome import clean_reply
from digest.delivery.smtp.sasl import HOW_TO
from digest.delivery.transport import RelayRefusedError
from digest.runtime import http_call
from digest.runtime.atomic_file import whole_file
from digest.runtime.errors import ConfigError, RelayUnreachableError, UsageError
from digest.runtime.secret_file import read_secret_file
from digest.settings.delivery import Relay

logger = logging.getLogger(__name__)

COMMAND_SECONDS = 300.0
"""For so long a command's token is kept: the command knows when it expires, and we do not."""
_DEFAULT_SECONDS = 300.0  # where the endpoint does not say (RFC 6749 section 5.1 only recommends it)
_EARLY_SECONDS = 60.0
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 section 2.1
_MAX_BYTES = 64 * 1024


class AccessToken:
    """A relay's token, obtained when it is needed and kept until it expires or is refused. For any threads.

    `obtain` returns a new one, and for how many seconds it may be used.
    """

    def __init__(self, obtain: Callable[[], tuple[str, float]], clock: Callable[[], float] = time.monotonic) -> None:
        self._obtain = obtain
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def get(self, *, refused: str = "") -> str:
        """Return a token; a new one if the relay has `refused` the one that is kept.

        Raises RelayRefusedError for a configuration that cannot work, RelayUnreachableError for what may work later.
        """
        with self._lock:  # others wait for the new one
            if self._token == refused or self._clock() >= self._until:
                self._token = ""
                token, seconds = self._obtained()
                if not _TOKEN.fullmatch(token):
                    raise RelayRefusedError(
                        "The relay's access token is not valid: it is empty, or contains blanks or other characters.",
                        hint="token_command must print only the access token, on its first line.",
                    )
                self._token, self._until = token, self._clock() + seconds
            return self._token

    def _obtained(self) -> tuple[str, float]:
        try:
            return self._obtain()
        except ConfigError as error:  # a secret that cannot be read ends the run, as a wrong password does
            raise RelayRefusedError(error.message, hint=error.hint) from None


def access_token(relay: Relay, workspace: Path) -> AccessToken | None:
    """Return how this relay's token is had; None where it has a password, or no login."""
    if relay.token_command:
        return AccessToken(_Command(relay.token_command, relay.token_timeout, workspace))
    return AccessToken(_Endpoint(relay, workspace)) if relay.token_url else None


@dataclass(frozen=True)
class _Command:
    """Runs a command, without a shell, in the workspace."""

    command: str | tuple[str, ...]
    timeout: float
    workspace: Path

    def __call__(self) -> tuple[str, float]:
        argv = shlex.split(self.command) if isinstance(self.command, str) else list(self.command)
        name = Path(argv[0]).name  # its arguments may hold a secret
        hint = "To test [[relay]] token_command, run it as this user in the workspace."
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator's own command
                argv,
                cwd=self.workspace,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it contains a NUL character"
            raise RelayRefusedError(f"[[relay]] token_command cannot be started: {name}: {why}.", hint=hint) from None
        with process:
            assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
            try:
                code = process.wait(self.timeout)
            except subprocess.TimeoutExpired:
                _kill(process)
                text = f"[[relay]] token_command ({name}) did not finish within {self.timeout:g} seconds."
                raise RelayUnreachableError(text, hint=hint) from None
            if code:
                raise RelayUnreachableError(f"[[relay]] token_command ({name}) failed with status {code}.", hint=hint)
            # what it left running may hold the pipe open
            os.set_blocking(process.stdout.fileno(), False)
            output = process.stdout.read(_MAX_BYTES) or b""
        return output.split(b"\n", 1)[0].decode("ascii", "replace").strip(), COMMAND_SECONDS


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a command and what it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@dataclass(frozen=True)
class _Endpoint:
    """Asks a token endpoint: with a refresh token (RFC 6749 section 6), else as the client itself (section 4.4)."""

    relay: Relay
    workspace: Path

    def __call__(self) -> tuple[str, float]:
        relay = self.relay
        url = str(relay.token_url)
        where = f"[[relay]] token_url ({urlsplit(url).hostname})"
        secrets = {
            name: read_secret_file(self.workspace / path, f"[[relay]] {name}_file")
            for name, path in (("client_secret", relay.client_secret_file), ("refresh_token", relay.refresh_token_file))
            if path
        }
        form = {"client_id": relay.client_id, "scope": relay.token_scope, **secrets}
        form["grant_type"] = "refresh_token" if relay.refresh_token_file else "client_credentials"
        body = urlencode({name: text for name, text in form.items() if text}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        try:
            status, data = http_call.post(url, headers, body)
        except http_call.FAULTS as error:
            why = clean_reply(str(error)) or type(error).__name__
            raise RelayUnreachableError(f"{where} cannot be reached: {why}.") from None
        answer = _object(data)
        if status != 200:
            _refuse(where, status, answer, secrets.values())
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str):
            raise RelayRefusedError(f"{where} answered without an access_token.", hint=f"See {HOW_TO}.")
        self._keep(answer.get("refresh_token"), secrets.get("refresh_token"))
        return token, max(_seconds(seconds) - _EARLY_SECONDS, 0)

    def _keep(self, new: object, old: str | None) -> None:
        """Store a refresh token that replaces ours: the old one ends some day."""
        if self.relay.refresh_token_file and isinstance(new, str) and new and new != old:
            path = self.workspace / self.relay.refresh_token_file
            try:
                with whole_file(path.resolve(), mode=0o600) as partial:
                    partial.write_text(new + "\n", encoding="utf-8")
            except (OSError, UsageError) as error:  # such as a read-only mount
                logger.warning(
                    "%s cannot be replaced with the new refresh token, and will expire: %s", path.name, error
                )


def _object(data: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(value: object) -> float:
    """Return expires_in, which some endpoints send as text."""
    try:
        return float(str(value)) if value is not None else _DEFAULT_SECONDS
    except ValueError:
        return _DEFAULT_SECONDS


def _refuse(where: str, status: int, answer: Mapping[str, object], secrets: Iterable[str]) -> None:
    """Raise what the endpoint's refusal means: 429 and 5yz may work later."""
    words = ": ".join(str(answer[key]) for key in ("error", "error_description") if answer.get(key))
    for secret in secrets:
        words = words.replace(secret, "…")
    text = f"{where} answered {status}: {clean_reply(words) or 'no reason given'}"
    if status == 429 or status >= 500:
        raise RelayUnreachableError(text)
    hint = "Check token_url, client_id and client_secret_file in this [[relay]]."
    if answer.get("error") == "invalid_grant":
        hint = f"Sign in again and save the new refresh token in refresh_token_file: see {HOW_TO}."
    raise RelayRefusedError(text, hint=hint)
