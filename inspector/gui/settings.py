"""What the window remembers between runs."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QSettings

ORGANIZATION = "quant-inspector"


def open_settings() -> QSettings:
    """The user's settings file (an ini file on every system, so that it can be read and moved)."""
    return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, ORGANIZATION, "window")


def read_setting(key: str, default: str) -> str:
    """A remembered text, or the default."""
    return str(open_settings().value(key, default))


def write_setting(key: str, value: str) -> None:
    """Remember a text."""
    open_settings().setValue(key, value)


def read_bytes(key: str) -> QByteArray:
    """A remembered state; empty where there is none."""
    value = open_settings().value(key)
    return value if isinstance(value, QByteArray) else QByteArray()


def write_bytes(key: str, value: QByteArray) -> None:
    """Remember a state."""
    open_settings().setValue(key, value)
