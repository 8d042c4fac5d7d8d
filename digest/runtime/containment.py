"""Containment of paths: what a symbolic link leads to outside of a folder is not read."""

import os
from pathlib import Path


def is_within(path: Path, folder: Path) -> bool:
    """Whether a path, with every link in it followed, lies in a folder, which may itself lie behind links."""
    real, root = _real(path), _real(folder)
    return real is not None and root is not None and real.is_relative_to(root)


def leads_out(path: Path, folder: Path) -> bool:
    """Whether a path that is written as one inside a folder leads out of it by a link."""
    written, root = Path(os.path.normpath(path.absolute())), _real(folder)
    return _real(path) is not None and root in map(_real, written.parents) and not is_within(path, folder)


def _real(path: Path) -> Path | None:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links; a NUL
        return None
