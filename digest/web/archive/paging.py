"""Pagination of rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from fastapi import HTTPException

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class ResultPage(Generic[Row]):
    """Page `number` of `pages`; `count` is the number of all rows."""

    rows: Sequence[Row]
    number: int
    pages: int
    count: int


def at(rows: Sequence[Row], asked: str, size: int) -> ResultPage[Row]:
    """Return the page with the number `asked`, from 1. Raises HTTPException 404."""
    pages = max(1, -(-len(rows) // size))
    if not re.fullmatch(r"[1-9][0-9]{0,8}", asked, re.ASCII) or int(asked) > pages:
        raise HTTPException(404)
    number = int(asked)
    return ResultPage(rows[(number - 1) * size : number * size], number, pages, len(rows))
