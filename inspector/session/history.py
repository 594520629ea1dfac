"""Undo and redo over frozen values: each step is a pointer to a whole value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """One entry of the history.

    Attributes:
        label: what was done, as shown beside Undo ("Weights of conv1 to int4").
        value: the value after it.
        merge_key: consecutive steps with the same key are one step; None never merges.
    """

    label: str
    value: T
    merge_key: str | None = None


class History(Generic[T]):
    """A line of values with a position on it.

    Values must be immutable and comparable with `==`. Recording drops what was undone. The state is
    dirty while the current value differs from the one last marked as saved.

    Args:
        value: where the history starts; the saved state, until told otherwise.
        label: the name of the start in a history list.
        limit: how many steps can be undone; the oldest go first.
    """

    def __init__(self, value: T, *, label: str = "Start", limit: int = 1000) -> None:
        """Start the line with one value."""
        if limit < 1:
            raise ValueError("a history needs room for one step")
        self._steps: list[Step[T]] = [Step(label, value)]
        self._position = 0
        self._limit = limit
        self._open = False
        self._saved = value

    @property
    def value(self) -> T:
        """The current value."""
        return self._steps[self._position].value

    @property
    def steps(self) -> tuple[Step[T], ...]:
        """All steps, the start first, those that were undone last."""
        return tuple(self._steps)

    @property
    def position(self) -> int:
        """The index of the current step in `steps`."""
        return self._position

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self._position > 0

    @property
    def can_redo(self) -> bool:
        """Whether a step was taken back and nothing was recorded since."""
        return self._position + 1 < len(self._steps)

    @property
    def undo_label(self) -> str:
        """What undo would take back; empty if nothing."""
        return self._steps[self._position].label if self.can_undo else ""

    @property
    def redo_label(self) -> str:
        """What redo would do again; empty if nothing."""
        return self._steps[self._position + 1].label if self.can_redo else ""

    @property
    def is_dirty(self) -> bool:
        """Whether the current value differs from the saved one."""
        return self.value != self._saved

    def record(self, value: T, label: str, merge_key: str | None = None) -> bool:
        """Add a step, or merge it into the last one; returns whether the current value changed.

        A value equal to the current one is no step. A step that merging brings back to where it
        began is taken away.
        """
        if value == self.value:
            return False
        del self._steps[self._position + 1 :]
        step = Step(label, value, merge_key)
        if not self._merges(merge_key):
            self._append(step)
        elif self._steps[-2].value == value:
            self._steps.pop()
            self._position -= 1
            self._open = False
        else:
            self._steps[-1] = step
        return True

    def seal(self) -> None:
        """End merging: the next step stands alone (a drag was let go)."""
        self._open = False

    def undo(self) -> T:
        """Step back, if there is a step, and return the value there."""
        return self.go_to(self._position - 1) if self.can_undo else self.value

    def redo(self) -> T:
        """Step forward again, if possible, and return the value there."""
        return self.go_to(self._position + 1) if self.can_redo else self.value

    def go_to(self, position: int) -> T:
        """Jump to a step of `steps`.

        Raises:
            IndexError: there is no such step.
        """
        if not 0 <= position < len(self._steps):
            raise IndexError(f"no step {position} in a history of {len(self._steps)}")
        self._position = position
        self.seal()
        return self.value

    def mark_saved(self) -> None:
        """The current value is what is on disk. Ends merging, so that undo can come back to it."""
        self._saved = self.value
        self.seal()

    def _merges(self, merge_key: str | None) -> bool:
        return (
            self._open
            and merge_key is not None
            and self._position > 0
            and self._steps[self._position].merge_key == merge_key
        )

    def _append(self, step: Step[T]) -> None:
        self._steps.append(step)
        surplus = max(0, len(self._steps) - 1 - self._limit)
        del self._steps[:surplus]
        self._position = len(self._steps) - 1
        self._open = True
