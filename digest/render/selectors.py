"""CSS selectors. Those of tags and classes find their elements many times as fast as by XPath."""

import re
from collections.abc import Callable, Iterable
from typing import Any

_COMPOUND = r"(?:[a-z][a-z0-9]*(?:\.[\w-]+)*|(?:\.[\w-]+)+)"
_PLAIN = re.compile(rf"{_COMPOUND}(?:(?:\s*>\s*|\s+){_COMPOUND})*")
_STEP = re.compile(r"(>?)\s*(?=[a-z.])([a-z][a-z0-9]*)?((?:\.[\w-]+)*)")


class ElementIndex:
    """The elements of a tree by tag and class, to find what selectors select; neither may change meanwhile."""

    def __init__(self, tree: Any, otherwise: Callable[[str], Callable[[Any], Iterable[Any]]]) -> None:
        """`otherwise` makes what finds the elements of a selector of attributes or positions."""
        self._tree, self._otherwise = tree, otherwise
        self._known: dict[str, list[Any]] = {}
        self._tags: set[Any] = set()
        self._by_class: dict[str, list[Any]] = {}
        for element in tree.iter("*"):
            self._tags.add(element.tag)
            for name in dict.fromkeys(element.get("class", "").split()):
                self._by_class.setdefault(name, []).append(element)

    def __call__(self, css: str) -> list[Any]:
        """Return the elements, each once."""
        if css not in self._known:
            self._known[css] = self._walked(css) if _PLAIN.fullmatch(css) else [*self._otherwise(css)(self._tree)]
        return self._known[css]

    def _walked(self, css: str) -> list[Any]:
        steps = [(child, tag, names.split(".")[1:]) for child, tag, names in _STEP.findall(css)]
        if any((tag and tag not in self._tags) or not self._by_class.keys() >= {*names} for _, tag, names in steps):
            return []
        found: Iterable[Any] = ()
        for number, (child, tag, names) in enumerate(steps):
            if number == 0:
                found = self._by_class[names[0]] if names else self._tree.iter(tag)
            else:
                found = [e for one in found for e in (one.iterchildren if child else one.iterdescendants)(tag or "*")]
            if len(names) > 1 or (names and (tag or number)):
                found = [e for e in found if e.get("class") and (not tag or e.tag == tag) and _has(e, names)]
            found = dict.fromkeys(found)
        return [*found]


def _has(element: Any, names: list[str]) -> bool:
    return {*names}.issubset(element.get("class").split())
