"""Checks that model settings share."""

from __future__ import annotations

from caloforge.errors import ConfigError


def check_positive(where: str, *, zero: bool = False, **values: float | None) -> None:
    """Refuse settings that are not positive.

    Arguments:
        where: Table of the run file, for the message.
        zero: Whether 0 is allowed.
        values: Settings by name; ``None`` passes.

    Raises:
        ConfigError: Naming the first that is out of range.
    """
    for name, value in values.items():
        if value is not None and not (value >= 0 if zero else value > 0):
            bound = "0 or more" if zero else "above 0"
            msg = f"{where}.{name}: found {value}, expected {bound}"
            raise ConfigError(msg)


def check_choice(where: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not among the choices.

    Raises:
        ConfigError: Listing them.
    """
    if value not in choices:
        msg = f"{where}: found '{value}', expected one of {', '.join(choices)}"
        raise ConfigError(msg)
