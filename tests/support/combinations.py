"""Parameters of which the short form takes a chosen few and the long form every combination."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import pytest


def combinations(short: Sequence[tuple[Any, ...]], *axes: Iterable[Any]) -> list[Any]:
    """Every combination of the axes; those that are not in `short` are long runs.

    Choose `short` so that each value of each axis is in it.
    """
    every = list(product(*axes))
    assert set(short) <= set(every), set(short) - set(every)
    for values, chosen in zip(zip(*every, strict=True), zip(*short, strict=True), strict=True):
        assert set(values) == set(chosen), set(values) - set(chosen)
    return [pytest.param(*one, marks=() if one in short else pytest.mark.slow) for one in every]
