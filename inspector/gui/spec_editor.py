"""The controls for the spec of one role: type, granularity, range, symmetry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from inspector.gui import spec_fields as fields
from inspector.gui.inputs import LARGEST, CalmComboBox, NumberBox
from inspector.gui.theme import SPACE_XS
from inspector.quant.spec import Granularity, QuantSpec, Role

_TIP = int(Qt.ItemDataRole.ToolTipRole)
_PREFIX = {"weights": "weight", "activations": "activation"}
MIXED = "mixed"


class SpecEditor(QWidget):
    """Edits the spec of the weights or of the activations of one or more layers.

    Signals:
        changed: a SpecChange, when the user chose something.
    """

    changed = Signal(object)

    def __init__(self, role: Role, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.role: Role = role
        self._limits = (-fields.DEFAULT_LIMIT, fields.DEFAULT_LIMIT)
        self._shown_limits = self._limits
        prefix = _PREFIX[role]
        self.dtype = self._combo(f"{prefix}Dtype", "type", fields.dtype_choices(), open_text="")
        self.granularity = self._combo(
            f"{prefix}Granularity", "granularity", fields.granularity_choices(role)
        )
        self.range = self._combo(f"{prefix}Range", "range method", fields.range_choices(role))
        self.flags = self._combo(f"{prefix}Flags", "symmetry", fields.FLAG_CHOICES)
        self.percentile = self._spin(f"{prefix}Percentile", NumberBox(50.01, 100.0, self))
        self.percentile.setDecimals(4)
        self.percentile.setSuffix(" %")
        self.percentile.setSingleStep(0.01)
        self.low = self._spin(f"{prefix}RangeLow", NumberBox(-LARGEST, LARGEST, self))
        self.high = self._spin(f"{prefix}RangeHigh", NumberBox(-LARGEST, LARGEST, self))
        self.limits = QWidget(self)
        self.parameters = QWidget(self)
        self.text = QLabel(self)
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
        if limits is not None:
            self._limits = limits
        blockers = [QSignalBlocker(widget) for widget in self._controls()]
        full = [spec.filled(self.role) for spec in specs]
        self._choose(self.dtype, [spec.dtype for spec in specs])
        plain = bool(specs) and all(spec.is_float for spec in specs)
        for combo in (self.granularity, self.range, self.flags):
            combo.setEnabled(bool(specs) and not plain)
        if plain:
            for combo in (self.granularity, self.range, self.flags):
                self._show_nothing(combo)
        else:
            self._show_fields(
                [spec for spec in specs if not spec.is_float],
                [spec for spec in full if not spec.is_float],
            )
        self._show_parameters(full)
        self._show_text(full)
        del blockers

    def _show_fields(self, specs: Sequence[QuantSpec], full: Sequence[QuantSpec]) -> None:
        self._offer(self.granularity, [spec.granularity for spec in specs])
        for combo, name in (
            (self.granularity, "granularity"),
            (self.range, "range"),
            (self.flags, "symmetric"),
        ):
            filled = {_text_of(getattr(spec, name)) for spec in full}
            word = filled.pop() if len(filled) == 1 else MIXED
            combo.setItemText(0, f"{word} (default)")
        self._choose(self.granularity, [spec.granularity for spec in specs])
        self._choose(self.range, [spec.range.kind if spec.range else None for spec in specs])
        self._choose(self.flags, [spec.symmetric for spec in specs])

    def _show_parameters(self, full: Sequence[QuantSpec]) -> None:
        kinds = {spec.range.kind for spec in full if spec.range is not None}
        shares = {spec.range.percentile for spec in full if spec.range is not None}
        self.percentile.setVisible(kinds == {"percentile"})
        share = shares.pop() if len(shares) == 1 else None
        self.percentile.setValue(fields.DEFAULT_PERCENTILE if share is None else share)
        self.limits.setVisible(kinds == {"range"})
        shown = kinds in ({"percentile"}, {"range"})
        self._form.setRowVisible(self.parameters, shown)
        first = next((spec.range for spec in full if spec.range is not None), None)
        if first is not None and first.lo is not None and first.hi is not None:
            self._show_limits((first.lo, first.hi))

    def _show_limits(self, limits: tuple[float, float]) -> None:
        self._shown_limits = limits
        for box, value in zip((self.low, self.high), limits, strict=True):
            with QSignalBlocker(box):
                box.setValue(value)

    def _show_text(self, full: Sequence[QuantSpec]) -> None:
        texts = sorted({str(spec) for spec in full})
        self.text.setText(texts[0] if len(texts) == 1 else f"{len(texts)} different specs")
        self.text.setVisible(bool(texts))
        self.text.setToolTip("\n".join(texts[:12]))

    @staticmethod
    def _show_nothing(combo: QComboBox) -> None:
        combo.setPlaceholderText("–")
        combo.setCurrentIndex(-1)

    @staticmethod
    def _choose(combo: QComboBox, values: Sequence[Any]) -> None:
        first = values[0] if values else None
        if not values or any(value != first for value in values):
            combo.setPlaceholderText(MIXED if values else "–")
            combo.setCurrentIndex(-1)
            return
        combo.setPlaceholderText(str(first))
        found = (i for i in range(combo.count()) if combo.itemData(i) == first)
        combo.setCurrentIndex(next(found, -1))

    @staticmethod
    def _offer(combo: QComboBox, values: Sequence[Granularity | None]) -> None:
        """Make sure that a granularity set elsewhere (block48@1) is in the list."""
        present = [combo.itemData(i) for i in range(combo.count())]
        for value in values:
            if value is not None and value not in present:
                combo.addItem(str(value), value)
                present.append(value)

    # What the user does

    def _connect(self) -> None:
        self.dtype.currentIndexChanged.connect(self._dtype_chosen)
        self.granularity.currentIndexChanged.connect(self._granularity_chosen)
        self.range.currentIndexChanged.connect(self._range_chosen)
        self.flags.currentIndexChanged.connect(self._flag_chosen)
        self.percentile.valueChanged.connect(self._percentile_changed)
        self.low.valueChanged.connect(self._limits_changed)
        self.high.valueChanged.connect(self._limits_changed)

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

    def _range_chosen(self, index: int) -> None:
        if index < 0:
            return
        kind = self.range.itemData(index)
        low, high = self._limits
        value = None if kind is None else fields.range_of(kind, self.percentile.value(), low, high)
        word = _text_of(value)
        self._emit(f"range to {word}", lambda spec: fields.set_range(spec, value))

    def _percentile_changed(self, percentile: float) -> None:
        value = fields.range_of("percentile", round(percentile, 4), 0.0, 0.0)
        self._emit(
            f"range to {value}",
            lambda spec: fields.set_range(spec, value),
            drag=f"{self.role} percentile",
        )

    def _limits_changed(self) -> None:
        low, high = sorted((self.low.value(), self.high.value()))
        if low == high:
            self._show_limits(self._shown_limits)
            return
        value = fields.range_of("range", 0.0, low, high)
        self._emit(
            f"range to {value}",
            lambda spec: fields.set_range(spec, value),
            drag=f"{self.role} range",
        )

    # How it is built

    def _controls(self) -> tuple[QWidget, ...]:
        combos = (self.dtype, self.granularity, self.range, self.flags)
        return (*combos, self.percentile, self.low, self.high)

    def _combo(
        self,
        name: str,
        what: str,
        choices: Sequence[fields.Choice],
        open_text: str = "default",
    ) -> QComboBox:
        combo = CalmComboBox(self)
        combo.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        combo.setObjectName(name)
        combo.setAccessibleName(f"{self.role} {what}")
        combo.setMaxVisibleItems(18)
        combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        combo.setMinimumContentsLength(8)
        if open_text:
            combo.addItem(open_text, None)
            combo.setItemData(0, "What suits the tensor, unless you choose otherwise", _TIP)
        for choice in choices:
            combo.addItem(choice.text, choice.value)
            combo.setItemData(combo.count() - 1, choice.tip, _TIP)
        combo.setCurrentIndex(-1)
        return combo

    @staticmethod
    def _spin(name: str, spin: NumberBox) -> NumberBox:
        spin.setObjectName(name)
        spin.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        spin.setMinimumWidth(64)
        return spin

    def _arrange(self) -> None:
        self.text.setProperty("role", "code")
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.percentile.setAccessibleName(f"{self.role} percentile kept")
        self.low.setAccessibleName(f"{self.role} lower end of the range")
        self.high.setAccessibleName(f"{self.role} upper end of the range")
        ends = QHBoxLayout(self.limits)
        ends.setContentsMargins(0, 0, 0, 0)
        ends.setSpacing(SPACE_XS)
        ends.addWidget(self.low)
        ends.addWidget(self.high)
        form = QFormLayout()
        form.setSpacing(6)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for label, widget in (
            ("Type", self.dtype),
            ("Scale per", self.granularity),
            ("Range", self.range),
        ):
            form.addRow(_label(label), widget)
        parameters = QVBoxLayout(self.parameters)
        parameters.setContentsMargins(0, 0, 0, 0)
        parameters.addWidget(self.percentile)
        parameters.addWidget(self.limits)
        form.addRow("", self.parameters)
        self._form = form
        form.addRow(_label("Symmetry"), self.flags)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(form)
        column.addWidget(self.text)
        self.percentile.hide()
        self.limits.hide()
        form.setRowVisible(self.parameters, False)


def _label(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "muted")
    label.setMinimumWidth(66)
    return label


def _text_of(value: object) -> str:
    """The word of a field's value in the text form of a spec."""
    if value is None:
        return "default"
    if isinstance(value, bool):
        return "sym" if value else "asym"
    return str(value)
