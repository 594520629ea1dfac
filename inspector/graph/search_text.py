"""Patterns over many short texts at once."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
_WILD = re.compile(r"[*?]+")


class Pattern:
    """What a text must hold.

    A pattern without wildcards is a part of the text (all of it where `whole`). One with wildcards
    is a part where `loose`, else all of the text.

    Args:
        text: case-folded; `*` is any run of characters, `?` is exactly one.
        literal: a * or ? stands for itself.
        whole: it must be all of the text.
        loose: wildcards do not make it all of the text.
    """

    def __init__(
        self, text: str, *, literal: bool = False, whole: bool = False, loose: bool = False
    ):
        self.text = text
        self._whole = whole
        self._needle = text
        self._regex: re.Pattern[str] | None = None
        if not literal and _WILD.search(text):
            # Every text with a wildcard holds the longest plain part: that is looked for first.
            self._needle = max(_WILD.split(text), key=len)
            self._regex = _compile(f"*{text}*" if loose and not whole else text)

    @property
    def plain(self) -> bool:
        """Whether it has no wildcards."""
        return self._regex is None

    @property
    def needle(self) -> str:
        """Its longest part without wildcards."""
        return self._needle

    def test(self, text: str) -> bool:
        """Whether one case-folded text fits."""
        if self._regex is not None:
            return self._needle in text and self._regex.fullmatch(text) is not None
        return self._needle == text if self._whole else self._needle in text

    def mask(self, texts: Sequence[str]) -> Mask:
        """Which of many case-folded texts fit. Linear; about 50 ns a text without wildcards."""
        needle = self._needle
        if self._regex is not None:
            match = self._regex.fullmatch
            found = [needle in text and match(text) is not None for text in texts]
        elif self._whole:
            found = [needle == text for text in texts]
        else:
            found = [needle in text for text in texts]
        return np.array(found, dtype=np.bool_)


class ShapePattern:
    """A shape, or some neighbouring sizes of one, of texts like 1×64×56×56.

    `x` and `×` are one and the same, `?` is any one size, `*` any run of sizes. With a `*`, or
    where `whole`, it is all of the shape. A single x at the end is taken for a beginning.
    """

    def __init__(self, text: str, *, literal: bool = False, whole: bool = False):
        if not whole:
            text = re.sub(r"(?<=[\d?])[x×]$", "", text)
        segments = [text] if literal else re.split(r"\*+", text)
        body = _join(["".join(map(_size, part)) for part in segments])
        anchored = whole or len(segments) > 1
        self._regex = re.compile(body if anchored else f"(?:^|×){body}(?:×|$)", re.DOTALL)
        self._match = self._regex.fullmatch if anchored else self._regex.search

    def test(self, text: str) -> bool:
        """Whether one case-folded shape text fits."""
        return self._match(text) is not None

    def mask(self, texts: Sequence[str]) -> Mask:
        """Which of many case-folded shape texts fit."""
        return np.array([self.test(text) for text in texts], dtype=np.bool_)


def _size(character: str) -> str:
    if character in "x×":
        return "[x×]"
    return "[^×]+" if character == "?" else re.escape(character)


def _compile(text: str) -> re.Pattern[str]:
    parts = re.split(r"\*+", text)
    return re.compile(
        _join(["".join("." if c == "?" else re.escape(c) for c in part) for part in parts]),
        re.DOTALL,
    )


def _join(segments: Sequence[str]) -> str:
    """The expression for segments with a star between each two.

    Each inner segment is taken where it first occurs and never tried again (an atomic group): that
    is enough for a glob, and keeps a row of stars from exploding.
    """
    if len(segments) == 1:
        return segments[0]
    inner = "".join(f"(?>.*?{segment})" for segment in segments[1:-1])
    return f"{segments[0]}{inner}.*{segments[-1]}"
