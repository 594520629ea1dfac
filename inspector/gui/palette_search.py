"""Fuzzy search for the command palette: letters in order, over very many names at once.

All names are one text with a line each, so that a regular expression goes through them in one
sweep of compiled code: 20,000 names take a few milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

TIERS = 3
_LONGEST = 64
"""Of what is typed, so many characters count."""


class NameIndex:
    """Names made ready to be searched.

    Args:
        names: in the order in which equally good ones are found.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        lines = [_one_line(name) for name in self.names]
        self._text = "\n".join(lines)
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def find(self, query: str, most: int) -> list[list[int]]:
        """The numbers of the names that have the letters of a query in order.

        Args:
            query: what was typed; case and spaces do not count. An empty one finds all.
            most: how many.

        Returns:
            `TIERS` lists: names with the query at the start of a word, those with it anywhere, and
            those with its letters apart.

        Cost: linear in the length of all names.
        """
        wanted = "".join(query.casefold().split())[:_LONGEST]
        if not wanted:
            return [list(range(min(most, len(self.names)))), [], []]
        seen: set[int] = set()
        found: list[list[int]] = []
        for pattern in _patterns(wanted):
            fresh = (number for number in self._lines(pattern) if number not in seen)
            found.append(list(islice(fresh, most - len(seen))))
            seen.update(found[-1])
        return found

    def _lines(self, pattern: str) -> Iterator[int]:
        number, starts = 0, self._starts
        for match in re.finditer(pattern, self._text):
            at = match.start()
            while starts[number + 1] <= at:
                number += 1
            yield number


def _one_line(name: str) -> str:
    """A name as it is searched: small letters, no spaces that break lines."""
    return "".join(name.casefold().split())


def _patterns(wanted: str) -> Iterator[str]:
    """From the best way of matching to the loosest; each takes the rest of its line along."""
    whole = re.escape(wanted)
    yield rf"(?<![^\W_]){whole}[^\n]*"
    yield rf"{whole}[^\n]*"
    # Each letter is the first of its kind after the one before, so nothing is ever tried twice.
    apart = "".join(rf"[^\n{re.escape(c)}]*{re.escape(c)}" for c in wanted)
    yield rf"(?m:^){apart}[^\n]*"
