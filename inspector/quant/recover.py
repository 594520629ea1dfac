"""What is done to a layer so that quantizing costs it less: a choice, in a text form.

`equalize,bias` on the command line and in a recipe; `none` switches off what a rule before said.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from inspector.errors import RecipeError

METHODS: dict[str, str] = {
    "equalize": "gives both sides of each channel between layers the same range of weights "
    "(Nagel et al. 2019, section 4.1)",
    "absorb": "moves what is added to every value of a channel into the next bias "
    "(Nagel et al. 2019, section 4.1.3)",
    "smooth": "moves large channels of activations into the MatMul and Gemm that read them "
    "(SmoothQuant, Xiao et al. 2023)",
    "awq": "gives the weights of large activations finer steps, where activations stay float "
    "(AWQ, Lin et al. 2024)",
    "gptq": "rounds weights column by column, each making good the errors before it "
    "(GPTQ, Frantar et al. 2023)",
    "adaround": "learns whether each weight is rounded up or down (AdaRound, Nagel et al. 2020)",
    "bias": "corrects the mean error of each output channel (Nagel et al. 2019, section 4.2)",
}
"""Every method, in the order in which they are carried out, with what it does."""

TITLES: dict[str, str] = {
    "equalize": "Equalize layers",
    "absorb": "Absorb high biases",
    "smooth": "Smooth activations",
    "awq": "Scale weights by activations",
    "gptq": "GPTQ rounding",
    "adaround": "AdaRound",
    "bias": "Correct biases",
}
"""What people call each of them."""

ROUNDING = ("gptq", "adaround")
"""Methods that choose the codes of a weight; a layer can have one of them."""

NOTHING = "none"

METHODS_TEXT = f"{', '.join(METHODS)}, with commas between; or {NOTHING}"


@dataclass(frozen=True, slots=True)
class Recover:
    """The methods switched on for a layer.

    Attributes:
        methods: names from `METHODS`, each once, in that order.
    """

    methods: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Recover:
        """Read the text form: names with commas between, in any order, or `none`.

        Raises:
            RecipeError: there is no such method, or two that exclude one another.
        """
        names = [name.strip().lower() for name in text.split(",")]
        if names == [NOTHING]:
            return cls()
        for name in names:
            if name not in METHODS:
                raise RecipeError(_unknown(name), _hint(name))
        rounding = [name for name in ROUNDING if name in names]
        if len(rounding) > 1:
            raise RecipeError(
                f"{' and '.join(rounding)} both choose how weights are rounded.",
                "Name one of them.",
            )
        return cls(tuple(name for name in METHODS if name in names))

    def __str__(self) -> str:
        """The text form; `parse` gives an equal value back."""
        return ",".join(self.methods) or NOTHING

    def __contains__(self, method: str) -> bool:
        """Whether a method is switched on."""
        return method in self.methods

    def __bool__(self) -> bool:
        """Whether anything is."""
        return bool(self.methods)

    def switched(self, method: str, on: bool) -> Recover:
        """The same with one method on or off; switching one on puts out what it excludes."""
        names = set(self.methods) - {method}
        if on:
            names -= set(ROUNDING) if method in ROUNDING else set()
            names.add(method)
        return Recover(tuple(name for name in METHODS if name in names))


NO_RECOVERY = Recover()


def _unknown(name: str) -> str:
    return f"There is no recovery method {name!r}." if name else "A recovery method has no name."


def _hint(name: str) -> str:
    close = difflib.get_close_matches(name, METHODS, n=1, cutoff=0.5)
    known = f"The methods are {', '.join(METHODS)}; or {NOTHING}."
    return f"Did you mean {close[0]!r}? {known}" if close else known
