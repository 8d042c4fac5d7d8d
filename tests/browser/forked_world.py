"""A world whose commands are forked, not started: for stories with many of them."""

from pathlib import Path

from tests.support.forked_commands import ForkedCommands
from tests.support.world import World


class ForkedWorld(World):
    """Servers are processes as everywhere; what runs to its end is a fork of one that has imported everything."""

    def __init__(self, folder: Path, database_url: str, commands: ForkedCommands) -> None:
        super().__init__(folder, database_url)
        self._commands = commands

    def digest(self, *arguments: str, expect: int = 0, cwd: Path | None = None) -> str:
        """Run a command to its end; return stdout."""
        done = self._commands.run(arguments, cwd=cwd or self.folder, environment=self.environment_now())
        assert done.returncode == expect, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout
