"""Numbers, times and untrusted text as a reader sees them."""

from __future__ import annotations

import json
import math
import unicodedata
from datetime import UTC, datetime
from typing import Any

MISSING = "–"
_MINUS = "\N{MINUS SIGN}"


def visible(text: object) -> str:
    """Text with its invisible characters spelt out: controls, escapes, marks that turn the reading direction.

    Escaping HTML is the template's work; this stops a name from *looking* like another one.

    >>> visible("a\\u202egnp.exe")
    'a⟨U+202E⟩gnp.exe'
    """
    if text is None:
        return MISSING
    return "".join(_spelt(character) for character in str(text))


def _spelt(character: str) -> str:
    # Cc: controls and escapes, Cf: direction marks and zero-width, Cs: lone surrogates, Zl/Zp: line separators
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return " " if character in "\n\t" else f"⟨U+{ord(character):04X}⟩"
    return character


def finite(value: object) -> float | None:
    """A number as float; None for what is no finite number.

    >>> finite(1), finite("1"), finite(float("nan")), finite(True)
    (1.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def json_object(text: object) -> dict[str, Any]:
    """The JSON object in a cell; empty for null, for damaged JSON and for JSON of another shape.

    >>> json_object('{"a": 1}'), json_object("[1]"), json_object(None)
    ({'a': 1}, {}, {})
    """
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def score(value: object, digits: int = 4) -> str:
    """A score in [0, 1] with fixed digits.

    >>> score(0.97), score(None)
    ('0.9700', '–')
    """
    number = finite(value)
    return MISSING if number is None else f"{number:.{digits}f}"


def signed(value: object, digits: int = 4) -> str:
    """A difference with its sign; what rounds to nothing has none.

    >>> signed(0.0123), signed(-0.5, 2), signed(-0.00001)
    ('+0.0123', '−0.50', '±0.0000')
    """
    number = finite(value)
    if number is None:
        return MISSING
    rounded = round(number, digits)
    sign = "±" if rounded == 0 else "+" if rounded > 0 else _MINUS
    return f"{sign}{abs(rounded):.{digits}f}"


def count(value: object) -> str:
    """A whole number with thin spaces between its thousands.

    >>> count(34427) == "34\\u202f427"
    True
    """
    number = finite(value)
    return MISSING if number is None else f"{round(number):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def percent(value: object) -> str:
    """A fraction as per cent, with a digit more where it is small.

    >>> percent(0.5), percent(0.0312), percent(0.0)
    ('50 %', '3.1 %', '0 %')
    """
    number = finite(value)
    if number is None:
        return MISSING
    return f"{number * 100:.1f} %" if 0 < number < 0.0995 else f"{number * 100:.0f} %"


def duration(seconds: object) -> str:
    """Seconds as a person says them.

    >>> duration(0.42), duration(75), duration(7260)
    ('0.4 s', '1 min 15 s', '2 h 01 min')
    """
    number = finite(seconds)
    if number is None or number < 0:
        return MISSING
    if number < 10:
        return f"{number:.1f} s"
    whole = round(number)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def moment(when: object) -> str:
    """A time in UTC to the minute.

    >>> moment(datetime(2026, 3, 1, 9, 5, tzinfo=UTC))
    '2026-03-01 09:05 UTC'
    """
    if not isinstance(when, datetime):
        return MISSING
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
