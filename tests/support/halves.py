"""A rotating half of a list of cases, so that the short form takes each case once over two runs of a test."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def half(cases: Iterable[T], parity: int) -> Sequence[T]:
    """Every second case: of two runs whose `parity` differs by one, each case has its turn in exactly one."""
    return [case for number, case in enumerate(cases) if number % 2 == parity % 2]
