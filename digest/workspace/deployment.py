"""Files for operating an installation: systemd units, Dockerfile and compose file, Prometheus rules and dashboard."""

import shutil
from pathlib import Path

from digest.runtime.errors import EnvironmentFailedError, RefusedError

_PACKAGE = Path(__file__).resolve().parents[1]


def copy_deployment(target: Path) -> list[str]:
    """Copy the files into a folder and return their names in it; raises RefusedError if one exists already."""
    shipped = _PACKAGE / "_operating"
    source = shipped if shipped.is_dir() else _PACKAGE.parent / "docs" / "operating"
    names = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    try:
        for name in names:
            if (target / name).exists():
                raise RefusedError(f"{target / name} exists already", hint="Choose another folder.")
        for name in names:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)
    except OSError as error:
        message = f"The files cannot be written to {target}: {error.strerror}"
        raise EnvironmentFailedError(message, hint="Check space and permissions.") from error
    return [name.as_posix() for name in names]
