"""Which layer gets which width: how much each matters, and mixtures of widths."""
