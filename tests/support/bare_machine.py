"""A machine with nothing but Debian's base, Python, git and certificates on it: debootstrap, and chroot into the result."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

SUITE = "bookworm"
INCLUDED = "python3,git,ca-certificates"
_CARRIED = re.compile(r"PIP_\w+|SSL_CERT_\w+|REQUESTS_CA_BUNDLE|(?:https?|no|all)_proxy", re.IGNORECASE)
_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class NoBareMachineError(Exception):
    """Something that it takes is missing here."""


def mirror() -> str:
    """The Debian archive that this machine's own apt uses."""
    folder = Path("/etc/apt")
    for path in (folder / "sources.list", *sorted(folder.glob("sources.list.d/*"))):
        text = path.read_text() if path.is_file() else ""
        for line in text.splitlines():
            if line.startswith(("deb ", "URIs:")):
                for word in line.split():
                    if re.fullmatch(r"https?://\S+/debian/?", word):
                        return word
    raise NoBareMachineError("apt's sources name no Debian archive")


def carried_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """How this machine reaches a package registry: pip's settings, certificates, proxies."""
    return {name: value for name, value in environment.items() if _CARRIED.fullmatch(name)}


def pip_files() -> Iterator[Path]:
    """The files from which pip takes its settings."""
    candidates = [Path("/etc/pip.conf"), Path("~/.config/pip/pip.conf"), Path("~/.pip/pip.conf"), Path("~/.netrc")]
    named = os.environ.get("PIP_CONFIG_FILE", "")
    for path in [*candidates, *([Path(named)] if named else [])]:
        if path.expanduser().is_file():
            yield path.expanduser()


class BareMachine:
    """The root of its file system. Commands run in mounts and processes of their own, and leave none behind."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def make(cls, root: Path) -> "BareMachine":
        """Install it into `root`; some minutes."""
        if os.geteuid() != 0:
            raise NoBareMachineError("only root may chroot")
        for tool in ("debootstrap", "unshare", "chroot"):
            if shutil.which(tool) is None:
                raise NoBareMachineError(f"no {tool}: apt-get install {tool}")
        command = ["debootstrap", "--variant=minbase", f"--include={INCLUDED}", SUITE, str(root), mirror()]
        made = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if made.returncode != 0:
            raise NoBareMachineError(f"debootstrap: {(made.stdout + made.stderr)[-300:]}")
        machine = cls(root)
        machine.carry_settings()
        return machine

    def carry_settings(self) -> None:
        """Let it reach what this machine reaches, by the same ways."""
        shutil.copyfile("/etc/resolv.conf", self._inside(Path("/etc/resolv.conf")))
        if _BUNDLE.is_file():
            shutil.copyfile(_BUNDLE, self._inside(_BUNDLE))
        for path in pip_files():
            shutil.copyfile(path, self._inside(path))
        for value in carried_environment(os.environ).values():
            for word in value.split():
                if word.startswith("/") and Path(word).exists() and not self._inside(Path(word)).exists():
                    copy = shutil.copytree if Path(word).is_dir() else shutil.copyfile
                    copy(word, self._inside(Path(word)))
        told = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
        ways = [line for line in told.splitlines() if line.startswith("Acquire::")]
        self._inside(Path("/etc/apt/apt.conf.d/99machine")).write_text("\n".join(ways) + "\n")

    def clone(self, checkout: Path, to: str) -> None:
        """Put a clone of a checkout into it."""
        target = self._inside(Path(to))
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(checkout), str(target)], check=True)

    def run(self, *command: str, cwd: str = "/", seconds: float) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as root, to its end."""
        mounts = 'mount -t proc proc "$0/proc" && mount -t tmpfs tmpfs "$0/dev/shm" && exec chroot "$0" sh -c '
        inner = 'cd "$0" && exec "$@"'
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        outer = f'mkdir -p "$0/dev/shm" && {mounts} \'{inner}\' "$@"'
        return subprocess.run(
            [*apart, "sh", "-c", outer, str(self.root), cwd, *command],
            env={"PATH": _PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", **carried_environment(os.environ)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )

    def _inside(self, path: Path) -> Path:
        """The place of a file of this machine in the other one."""
        inside = self.root / path.relative_to("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        return inside
