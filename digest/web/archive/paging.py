"""One page of many rows. Pure but for its 404."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from fastapi import HTTPException

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class ResultPage(Generic[Row]):
    """The rows of page `number` of `pages`; `count` is about all rows."""

    rows: Sequence[Row]
    number: int
    pages: int
    count: int


def at(rows: Sequence[Row], asked: str, size: int) -> ResultPage[Row]:
    """Return the page with the number `asked`, from 1; whatever is none of ours is a 404, as any other address is."""
    pages = max(1, -(-len(rows) // size))
    if not re.fullmatch(r"[1-9][0-9]{0,8}", asked, re.ASCII) or int(asked) > pages:
        raise HTTPException(404)
    number = int(asked)
    return ResultPage(rows[(number - 1) * size : number * size], number, pages, len(rows))
