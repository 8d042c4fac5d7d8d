"""Bounces with what they mean: samples of our own, and those in the source distribution of flufl.bounce."""

import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from digest.feedback.classification import Understood, understand
from digest.feedback.models import FeedbackKind

FOLDER = Path(__file__).resolve().parents[1] / "cases" / "bounces"
FLUFL = "flufl_bounce-6.0.0.tar.gz"
_MEANS = {FeedbackKind.DELIVERED: "ignored", FeedbackKind.UNKNOWN: "ignored"}


@dataclass(frozen=True)
class BounceCase:
    """A mail, the recipients it is about, and the kind that it is to count as."""

    name: str
    data: bytes
    recipients: frozenset[str]
    kind: str

    def verdict(self) -> tuple[str, str, bool]:
        """Return who understood it, what as, and whether that is right: kind, and recipients where one is needed."""
        found = understand(self.data)
        kind = found.about(min(self.recipients, default=""))[0]
        means = _MEANS.get(kind, kind.value)
        right = means == self.kind and (means == "ignored" or named(found) == self.recipients)
        return found.reader, means, right


def named(found: Understood) -> frozenset[str]:
    return frozenset(one.address.lower() for one in found.recipients if one.address)


def own_cases() -> list[BounceCase]:
    return [_case(line, (FOLDER / line.split("\t")[0]).read_bytes()) for line in _lines("expected.tsv")]


def flufl_cases(archive: Path) -> list[BounceCase]:
    """Return the mails of flufl.bounce's tests; the kinds are ours, the recipients those of its own detectors."""
    with tarfile.open(archive) as bundle:
        files = {Path(member.name).name: member for member in bundle if "/tests/data/" in member.name}
        return [_case(line, _read(bundle, files[line.split("\t")[0]])) for line in _lines("flufl.tsv")]


def fetch_flufl(folder: Path) -> Path:
    """Download the source distribution, without installing it; return its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest"]
    subprocess.run([*command, str(folder), "flufl.bounce==6.0.0"], check=True, capture_output=True, timeout=300)
    return folder / FLUFL


def _read(bundle: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = bundle.extractfile(member)
    assert file is not None
    return file.read()


def _lines(name: str) -> list[str]:
    return (FOLDER / name).read_text(encoding="utf-8").splitlines()


def _case(line: str, data: bytes) -> BounceCase:
    name, recipients, kind = line.split("\t")
    return BounceCase(name, data, frozenset(recipients.split()), kind)
