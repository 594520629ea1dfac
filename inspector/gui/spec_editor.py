"""The controls for the spec of one role: type, granularity, range, symmetry, power of two."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget

from inspector.gui import spec_choices as choices
from inspector.gui import spec_fields as fields
from inspector.gui.spec_allowed import ANYTHING, Refusals
from inspector.gui.spec_check import MixedCheckBox
from inspector.gui.spec_combo import MIXED, SpecCombo
from inspector.gui.spec_limits import LimitFields
from inspector.gui.spec_percentile import PercentileField
from inspector.gui.still import CopyLabel, Still
from inspector.quant.spec import QuantSpec, Role

__all__ = ["MIXED", "SpecEditor"]

_PREFIX = {"weights": "weight", "activations": "activation"}
_MOST_TEXTS = 12


class SpecEditor(QWidget):
    """Edits the spec of the weights or of the activations of one or more layers.

    Signals:
        changed: a SpecChange, when the user chose something.
        let_go: a drag or typing is over; the next change is another step.
    """

    changed = Signal(object)
    let_go = Signal()

    def __init__(self, role: Role, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.role: Role = role
        self._limits = (-fields.DEFAULT_LIMIT, fields.DEFAULT_LIMIT)
        self._refused = ANYTHING
        self._shown: tuple[tuple[QuantSpec, ...], tuple[float, float] | None] | None = None
        """What was shown last, while nobody has touched a control since."""
        prefix = _PREFIX[role]
        self.dtype = self._combo("Dtype", "type", choices.dtype_choices(), choices.TYPE, False)
        self.granularity = self._combo(
            "Granularity", "granularity", choices.granularity_choices(role), choices.SCALE_PER
        )
        self.range = self._combo(
            "Range", "range method", choices.range_choices(role), choices.RANGE
        )
        self.flags = self._combo("Flags", "symmetry", choices.FLAG_CHOICES, choices.SYMMETRY)
        self.pow2 = MixedCheckBox("Power-of-two scale", self)
        self.pow2.setObjectName(f"{prefix}Pow2")
        self.pow2.setAccessibleName(f"{role} scale is a power of two")
        self.share = PercentileField(role, prefix, self)
        self.percentile = self.share.box
        self.limits = LimitFields(role, prefix, self)
        self.low, self.high = self.limits.low, self.limits.high
        self.text = CopyLabel(self)
        self.text.setObjectName(f"{prefix}Spec")
        self._arrange()
        self._connect()

    # What is shown

    def show_specs(
        self, specs: Sequence[QuantSpec], limits: tuple[float, float] | None = None
    ) -> None:
        """Show what is chosen; where the layers differ, the control says mixed.

        Args:
            specs: as written (fields may be open), one for each layer.
            limits: the range kept now, with which a hand-set range begins.
        """
        if self._shown == (tuple(specs), limits):
            return
        self._shown = tuple(specs), limits
        if limits is not None:
            self._limits = limits
        few = list(dict.fromkeys(specs))  # many layers have few different specs
        full = [spec.filled(self.role) for spec in few]
        blockers = [QSignalBlocker(widget) for widget in self._controls()]
        self.dtype.show_values([spec.dtype for spec in few])
        scaled = [spec for spec in few if not (spec.is_float or spec.is_cast)]
        plain = not scaled
        for widget in (self.granularity, self.range, self.flags, self.pow2):
            widget.setEnabled(not plain)
        self._show_fields(
            scaled,
            [spec for spec in full if not (spec.is_float or spec.is_cast)],
        )
        self._show_parameters(full)
        self._show_text(full)
        uneven = any(spec.table is not None for spec in full)
        self.range.refuse({"kl": choices.EVEN_LEVELS_ONLY} if uneven else {})
        self._show_demands()
        del blockers

    def show_refusals(self, refused: Refusals) -> None:
        """Show what the target cannot run as not to be chosen, and why."""
        self._refused = refused
        self.dtype.refuse(refused.dtypes)
        self.granularity.refuse(refused.granularities)
        self.flags.refuse(refused.symmetry)
        self._show_demands()

    def _show_fields(self, specs: Sequence[QuantSpec], full: Sequence[QuantSpec]) -> None:
        self.granularity.offer(spec.granularity for spec in specs)
        self.granularity.show_values(
            [spec.granularity for spec in specs], (_text_of(spec.granularity) for spec in full)
        )
        self.range.offer(("pinned" for spec in specs if spec.is_pinned), choices.PINNED)
        self.range.show_values(
            [spec.range.kind if spec.range else None for spec in specs],
            (_text_of(spec.range) for spec in full),
        )
        self.flags.show_values(
            [spec.symmetric for spec in specs], (_text_of(spec.symmetric) for spec in full)
        )
        self.pow2.show_states({spec.pow2 for spec in specs})

    def _show_parameters(self, full: Sequence[QuantSpec]) -> None:
        ranges = [spec.range for spec in full if spec.range is not None]
        kinds = {one.kind for one in ranges}
        shares = {one.percentile for one in ranges if one.percentile is not None}
        self.share.show_percentile(min(shares) if len(shares) == 1 else fields.DEFAULT_PERCENTILE)
        visible = (kinds == {"percentile"} and bool(shares), kinds == {"range"})
        for field, wanted in zip((self.share, self.limits), visible, strict=True):
            if self._form.isRowVisible(field) != wanted:
                self._form.setRowVisible(field, wanted)
        by_hand = [one for one in ranges[:1] if one.kind == "range"]
        for one in by_hand:
            self.limits.show_limits(one.lo or 0.0, one.hi or 0.0)

    def _show_text(self, full: Sequence[QuantSpec]) -> None:
        texts = sorted({str(spec) for spec in full})
        self.text.setText(texts[0] if len(texts) == 1 else f"{len(texts)} different specs")
        self._line.setVisible(bool(texts))
        self.text.setToolTip("\n".join(texts[:_MOST_TEXTS]))

    def _show_demands(self) -> None:
        """A target that takes powers of two only lets them be chosen, and not be given up."""
        demand = self._refused.scales.get(False, "")
        on = self.pow2.checkState() == Qt.CheckState.Checked
        able = self.range.isEnabled() and not (demand and on)
        self.pow2.setEnabled(able)
        tip = f"{demand}\n\n{choices.POWER_OF_TWO}" if demand else choices.POWER_OF_TWO
        self.pow2.setToolTip(tip)

    # What the user does

    def _connect(self) -> None:
        self.changed.connect(self._touched)
        self.let_go.connect(self._touched)
        self.dtype.currentIndexChanged.connect(self._dtype_chosen)
        self.granularity.currentIndexChanged.connect(self._granularity_chosen)
        self.range.currentIndexChanged.connect(self._range_chosen)
        self.flags.currentIndexChanged.connect(self._flag_chosen)
        self.pow2.clicked.connect(self._pow2_clicked)
        self.share.changed.connect(self._percentile_changed)
        self.limits.changed.connect(self._limits_changed)
        self.share.let_go.connect(self.let_go)
        self.limits.let_go.connect(self.let_go)

    def _touched(self) -> None:
        self._shown = None

    def _emit(
        self, label: str, change: Callable[[QuantSpec], QuantSpec], drag: str | None = None
    ) -> None:
        self.changed.emit(fields.SpecChange(self.role, f"{self.role} {label}", change, drag))

    def _dtype_chosen(self, index: int) -> None:
        if index >= 0:
            dtype = str(self.dtype.itemData(index))
            self._emit(f"to {dtype}", lambda spec: fields.set_dtype(spec, dtype))

    def _granularity_chosen(self, index: int) -> None:
        if index >= 0:
            value = self.granularity.itemData(index)
            word = _text_of(value)
            self._emit(f"granularity to {word}", lambda spec: fields.set_granularity(spec, value))

    def _flag_chosen(self, index: int) -> None:
        if index >= 0:
            value = self.flags.itemData(index)
            self._emit(f"to {_text_of(value)}", lambda spec: fields.set_flag(spec, value))

    def _pow2_clicked(self) -> None:
        on = self.pow2.checkState() == Qt.CheckState.Checked
        word = "scale to a power of two" if on else "scale to any"
        self._emit(word, lambda spec: fields.set_pow2(spec, on))

    def _range_chosen(self, index: int) -> None:
        if index < 0:
            return
        kind = self.range.itemData(index)
        low, high = self._limits
        share = self.share.percentile()
        value = None if kind is None else fields.range_of(kind, share, low, high)
        word = _text_of(value)
        self._emit(f"range to {word}", lambda spec: fields.set_range(spec, value))

    def _percentile_changed(self, percentile: float) -> None:
        value = fields.range_of("percentile", percentile, 0.0, 0.0)
        self._emit(
            f"range to {value}",
            lambda spec: fields.set_range(spec, value),
            drag=f"{self.role} percentile",
        )

    def _limits_changed(self, low: float, high: float) -> None:
        value = fields.range_of("range", 0.0, low, high)
        self._emit(
            f"range to {value}",
            lambda spec: fields.set_range(spec, value),
            drag=f"{self.role} range",
        )

    # How it is built

    def _controls(self) -> tuple[QWidget, ...]:
        return (self.dtype, self.granularity, self.range, self.flags, self.pow2)

    def _combo(
        self,
        name: str,
        what: str,
        entries: Sequence[choices.Choice],
        meaning: str,
        default: bool = True,
    ) -> SpecCombo:
        combo = SpecCombo(entries, meaning, default=default, parent=self)
        combo.setObjectName(f"{_PREFIX[self.role]}{name}")
        combo.setAccessibleName(f"{self.role} {what}")
        return combo

    def _arrange(self) -> None:
        self.text.setProperty("role", "code")
        self._line = Still(self.text, self)
        form = QFormLayout()
        form.setSpacing(6)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        form.addRow(_label("Type", choices.TYPE), self.dtype)
        form.addRow(_label("Scale per", choices.SCALE_PER), self.granularity)
        form.addRow(_label("Range", choices.RANGE), self.range)
        form.addRow(self.share)
        form.addRow(self.limits)
        form.addRow(_label("Symmetry", choices.SYMMETRY), self.flags)
        form.addRow(_label("", ""), self.pow2)
        self._form = form
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(form)
        column.addWidget(self._line)
        form.setRowVisible(self.share, False)
        form.setRowVisible(self.limits, False)


def _label(text: str, tip: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "muted")
    label.setMinimumWidth(66)
    label.setToolTip(tip)
    return label


def _text_of(value: object) -> str:
    """The word of a field's value in the text form of a spec."""
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "sym" if value else "asym"
    return str(value)
