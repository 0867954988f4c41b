"""What a plain word of YAML means: nothing, truth, a number, or text.

As the Collector's parser reads it (YAML 1.1, so `0123` is octal and `yes` is true), without dates, base 60 and
infinities, which no setting needs.
"""

from __future__ import annotations

import math
import re

Value = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_NUMBER = re.compile(
    r"""
    (?P<sign>[-+]?)
    (?:
        (?P<decimal> 0 | [1-9][0-9_]* )
      | 0 (?P<octal> o?[0-7]+ )
      | 0x (?P<hexadecimal> [0-9a-fA-F]+ )
      | 0b (?P<binary> [01]+ )
      | (?P<float> (?: [0-9][0-9_]* \.? [0-9_]* | \.[0-9][0-9_]* ) (?: [eE][-+]?[0-9]+ )? )
    )
    """,
    re.VERBOSE,
)
_BASES = {"decimal": 10, "octal": 8, "hexadecimal": 16, "binary": 2}
# Python refuses to read integers of more than 4,300 digits, and no setting has more than twenty.
_LONGEST_NUMBER = 64


def plain_value(text: str) -> Value:
    """The value of an unquoted scalar; it stays text if it is nothing else."""
    if text in _WORDS:
        return _WORDS[text]
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST_NUMBER else None
    if match is None:
        return text
    kind = match.lastgroup or ""
    digits = match[kind].replace("_", "").removeprefix("o")
    if kind == "float" and digits.isdigit():  # `089`: neither octal nor decimal
        return text
    number = float(digits) if kind == "float" else int(digits, _BASES[kind])
    if not math.isfinite(number):
        return text
    return -number if match["sign"] == "-" else number
