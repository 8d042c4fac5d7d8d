"""Reference of all settings, generated from their models."""

from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from digest.settings.root import Settings


def described() -> list[dict[str, str]]:
    """Return an entry for each setting: its name in digest.toml, default, environment variable and meaning."""
    entries = []
    for name, info in Settings.model_fields.items():
        if name == "workspace":
            continue
        model, many = _model_of(info)
        for key, field in model.model_fields.items():
            table = f"[[{name}]]" if many else f"[{name}]"
            variable = "" if many else f"DIGEST_{name.upper()}__{key.upper()}"
            entries.append(
                {
                    "setting": f"{table} {key}",
                    "default": "required" if field.is_required() else _default(field),
                    "environment": variable + (f" or {variable}_FILE" if name == "secrets" else ""),
                    "meaning": field.description or _meaning(model),
                }
            )
    return entries


def _model_of(info: FieldInfo) -> tuple[type[BaseModel], bool]:
    annotation: Any = info.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    # a tuple of tables is written [[name]]; a table that may be left out is an optional one, written once
    return get_args(annotation)[0], get_origin(annotation) is tuple


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)  # type: ignore[call-arg, unused-ignore]
    if isinstance(value, dict) and set(value) == {"*"}:
        value = value["*"]
    return "" if value in (None, {}, ()) else str(value)


def _meaning(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]
