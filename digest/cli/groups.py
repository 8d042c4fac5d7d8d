"""Lazy command groups: listings and completion come from a table; a command's module is imported when it is run."""

import gc
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


@dataclass(frozen=True, slots=True)
class Leaf:
    """A command: `MODULE:FUNCTION` below digest.cli, and the first sentence of the function's docstring."""

    target: str
    help: str


@dataclass(frozen=True, slots=True)
class Noun:
    """A group of commands."""

    help: str
    commands: Mapping[str, Leaf]


class LazyGroup(TyperGroup):
    """A command group that imports a command when it is run."""

    def __init__(self, *, table: Mapping[str, Leaf | Noun], **attributes: Any) -> None:
        super().__init__(**attributes)
        self._table = table
        self.commands = cast("MutableMapping[str, Any]", LoadedCommands(table))

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(self._table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a placeholder with the name and first sentence, all that a listing shows."""
        del ctx
        entry = self._table.get(cmd_name)
        return TyperCommand(cmd_name, help=entry.help) if entry else None

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, self.commands[name] if name and command else None, rest


class LoadedCommands(Mapping[str, Any]):
    """A table's commands by name, each imported on access."""

    def __init__(self, table: Mapping[str, Leaf | Noun]) -> None:
        self._table = table

    def __getitem__(self, name: str) -> Any:
        entry = self._table[name]
        if isinstance(entry, Noun):
            options = {"no_args_is_help": True, "rich_markup_mode": None}
            return LazyGroup(table=entry.commands, name=name, help=entry.help, **options)
        module, _, function = entry.target.partition(":")
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(name)(getattr(import_module(f"digest.cli.{module}"), function))
        if not gc.isenabled():  # see `digest.cli.main`
            gc.freeze()
            gc.enable()
        return get_command(single)

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)
