"""TOML tables to frozen dataclasses: a typo in a gun file stops the run before it starts."""

from __future__ import annotations

import math
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from caloforge.data.columns import did_you_mean
from caloforge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

PerPlane = Annotated[tuple[float, float], "one number stands for both planes"]
"""A pair for x and y, for which a gun file may give one number."""


def from_table(cls: type[T], table: Any, *, where: str) -> T:  # noqa: ANN401 - from a file
    """Build a frozen dataclass from one TOML table.

    Arguments:
        cls: Frozen dataclass whose fields are the only valid keys. Fields are ``str``,
            ``float``, ``tuple[float, float]``, `PerPlane` or ``tuple[float, ...]``.
        table: Parsed table.
        where: File and table, for messages.

    Returns:
        An instance of ``cls``; missing keys take their defaults.

    Raises:
        ConfigError: On an unknown or missing key, or a value of the wrong type.
    """
    values = {}
    hints = get_type_hints(cls, include_extras=True)
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    for key, value in as_table(table, where=where).items():
        if key not in known:
            msg = f"{where}: unknown key '{key}'; {did_you_mean(key, known)}"
            raise ConfigError(msg)
        values[key] = _typed(value, hints[key], where=f"{where} {key}")
    for name, field in known.items():
        if name not in values and field.default is MISSING and field.default_factory is MISSING:
            msg = f"{where}: key '{name}' is missing; {_expected(hints[name])}"
            raise ConfigError(msg)
    try:
        return cls(**values)
    except ConfigError as error:
        msg = f"{where} {error}"
        raise ConfigError(msg) from error


def by_law(laws: Mapping[str, type[T]], table: Any, *, where: str) -> T:  # noqa: ANN401
    """Build the dataclass that the key ``law`` of a table names.

    Raises:
        ConfigError: If there is no such law, or its keys are wrong.
    """
    rest = dict(as_table(table, where=where))
    name = rest.pop("law", None)
    if name is None:
        msg = f"{where}: key 'law' is missing, expected one of {', '.join(laws)}"
        raise ConfigError(msg)
    if name not in laws:
        msg = f"{where}: unknown law '{name}'; {did_you_mean(str(name), laws)}"
        raise ConfigError(msg)
    return from_table(laws[name], rest, where=where)


def as_table(value: Any, *, where: str) -> dict[str, Any]:  # noqa: ANN401
    """Return a value if it is a table.

    Raises:
        ConfigError: If it is not.
    """
    if not isinstance(value, dict):
        msg = f"{where}: found {value!r}, expected a table"
        raise ConfigError(msg)
    return value


def as_list(value: Any, *, where: str) -> list[Any]:  # noqa: ANN401
    """Return a value if it is a list of tables, ``[[...]]``, with at least one.

    Raises:
        ConfigError: If it is not.
    """
    if not isinstance(value, list) or not value:
        msg = f"{where}: found {value!r}, expected one table or more; write [[...]] before each"
        raise ConfigError(msg)
    return value


def as_number(value: Any, *, where: str) -> float:  # noqa: ANN401
    """Return a value if it is a finite number.

    Raises:
        ConfigError: If it is not.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        msg = f"{where}: found {value!r}, expected a number"
        raise ConfigError(msg)
    return float(value)


def as_weight(value: Any, *, where: str) -> float:  # noqa: ANN401
    """Return a value if it is a number of 0 or more.

    Raises:
        ConfigError: If it is not.
    """
    weight = as_number(value, where=where)
    if weight < 0:
        msg = f"{where}: found {weight:g}, expected 0 or more"
        raise ConfigError(msg)
    return weight


def _typed(value: Any, hint: Any, *, where: str) -> Any:  # noqa: ANN401
    if hint is float:
        return as_number(value, where=where)
    if get_origin(hint) is Annotated and not isinstance(value, list):
        number = as_number(value, where=where)
        return number, number
    items = get_args(get_args(hint)[0] if get_origin(hint) is Annotated else hint)
    if not isinstance(value, list) or (items[-1] is not Ellipsis and len(value) != len(items)):
        msg = f"{where}: found {value!r}; {_expected(hint)}"
        raise ConfigError(msg)
    return tuple(as_number(item, where=where) for item in value)


def _expected(hint: Any) -> str:  # noqa: ANN401
    if hint is float:
        return "expected a number"
    if get_origin(hint) is Annotated:
        return "expected a number, or [x, y]"
    return "expected a list of numbers" if Ellipsis in get_args(hint) else "expected [x, y]"
