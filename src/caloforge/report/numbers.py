"""Numbers as text: digits that the error supports, one kind of minus, powers of ten."""

from __future__ import annotations

import math

from caloforge.metrics import Measured

MISSING = "–"
_SMALL, _LARGE = 1e-3, 1e6  # beyond, powers of ten are easier to read
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def cell(figure: Measured | None, *, signed: bool = False) -> str:
    """Value and error without the unit, or a dash where the figure is not defined.

    Arguments:
        figure: What to write. An error of 0 is none: exact by definition, or not known.
        signed: Whether a positive value gets a plus sign.

    Example:
        >>> cell(Measured(2.3456, 0.131)), cell(Measured(-5.0, 0.0)), cell(None)
        ('2.35 ± 0.13', '−5', '–')
        >>> cell(Measured(9.504e-5, 2.9e-7)), cell(Measured(5.04, 0.4), signed=True)
        ('(9.504 ± 0.029) × 10⁻⁵', '+5.04 ± 0.40')
    """
    if figure is None or math.isnan(figure.value):
        return MISSING
    value, error = figure.value, figure.error
    plus = "+" if signed and value > 0 else ""
    if not (math.isfinite(value) and math.isfinite(error)) or error <= 1e-9 * abs(value):
        return plus + number(value)
    size = max(abs(value), error)
    if _SMALL <= size < _LARGE:
        return plus + _minus(figure.text)
    exponent = math.floor(math.log10(size))
    scaled = Measured(value / 10.0**exponent, error / 10.0**exponent)
    return f"({plus}{_minus(scaled.text)}) × {_power(exponent)}"


def number(value: float, digits: int = 4) -> str:
    """A number without error.

    Example:
        >>> number(0.25), number(-3.0), number(9.504e-5, 2), number(float("inf"))
        ('0.25', '−3', '9.5 × 10⁻⁵', '∞')
    """
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if _SMALL <= abs(value) < _LARGE:
        exact = f"{value:.{digits}g}"
        return _minus(f"{value:.0f}" if "e" in exact else exact)
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{_minus(mantissa)} × {_power(int(exponent))}"


def p_text(p: float) -> str:
    """A p-value with the digits that matter.

    Example:
        >>> p_text(0.31234), p_text(0.0021), p_text(0.00002), p_text(0.0)
        ('0.31', '0.002', '2 × 10⁻⁵', '< 10⁻⁶')
    """
    if p < 1e-6:
        return f"< {_power(-6)}"
    if p >= 0.1:
        return f"{p:.2f}"
    return f"{p:.3f}" if p >= 0.0005 else number(p, 1)


def signed(value: float, digits: int) -> str:
    """A number with its sign and a number of decimal places.

    Example:
        >>> signed(5.61, 1), signed(-0.25, 2)
        ('+5.6', '−0.25')
    """
    return _minus(f"{value:+.{digits}f}") if math.isfinite(value) else number(value)


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _power(exponent: int) -> str:
    return "10" + str(exponent).translate(_SUPERSCRIPTS)
