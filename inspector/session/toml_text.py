"""Text as TOML spells it."""

from __future__ import annotations


def quote(text: str) -> str:
    """The text as a TOML string: in single quotes where that spares backslashes, else in double."""
    if ("\\" in text or '"' in text) and "'" not in text and text.isprintable():
        return f"'{text}'"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(_escape_control(character) for character in escaped) + '"'


def _escape_control(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
