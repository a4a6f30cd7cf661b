"""TOML tables to frozen dataclasses: a typo in a file stops the work before it starts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from caloforge.errors import ConfigError, did_you_mean

T = TypeVar("T")

PerPlane = Annotated[tuple[float, float], "one number stands for both planes"]
"""A pair for x and y, for which a file may give one number."""


def from_table(cls: type[T], table: Any, *, where: str) -> T:  # noqa: ANN401 - from a file
    """Build a frozen dataclass from one TOML table, refusing unknown keys and wrong types.

    Arguments:
        cls: Frozen dataclass whose fields are the only valid keys. A field is ``str``,
            ``bool``, ``int``, ``float``, a tuple or `PerPlane` of those, a mapping from names
            to numbers, another such dataclass (a table in the table), or one or ``None``.
        table: Parsed table.
        where: File and table, for messages, e.g. ``"zdc.toml [model]"``.

    Returns:
        An instance of ``cls``; missing keys take their defaults.

    Raises:
        ConfigError: On an unknown or missing key, a value of the wrong type, or one that
            ``cls`` itself refuses.
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
            msg = f"{where}: key '{name}' is missing, expected {_expected(hints[name])}"
            raise ConfigError(msg)
    return cls(**values)


def as_table(value: Any, *, where: str) -> dict[str, Any]:  # noqa: ANN401
    """Return a value if it is a table.

    Raises:
        ConfigError: If it is not.
    """
    if not isinstance(value, Mapping):
        msg = f"{where}: found {value!r}, expected a table"
        raise ConfigError(msg)
    return dict(value)


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
        what = "a finite number" if is_number else "a number"
        msg = f"{where}: found {value!r}, expected {what}"
        raise ConfigError(msg)
    return float(value)


def toml_text(value: Any) -> str:  # noqa: ANN401 - whatever TOML holds
    """Write text, a number, a truth value, or a list of them as TOML.

    Example:
        >>> toml_text(("free", 2, 1e-3, True))
        '["free", 2, 0.001, true]'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_text(item) for item in value) + "]"
    return repr(value)


def _typed(value: Any, hint: Any, *, where: str) -> Any:  # noqa: ANN401
    """Return ``value`` as the type ``hint`` wants it."""
    if get_origin(hint) is UnionType:
        (hint,) = (kind for kind in get_args(hint) if kind is not NoneType)
    if get_origin(hint) is Annotated:
        if not isinstance(value, (list, tuple)):
            number = as_number(value, where=where)
            return number, number
        hint = get_args(hint)[0]
    if hint is float:
        return as_number(value, where=where)
    if is_dataclass(hint) and isinstance(hint, type):
        return from_table(hint, value, where=where)
    if get_origin(hint) is Mapping:
        table = as_table(value, where=where)
        return {k: as_number(v, where=f"{where} {k}") for k, v in table.items()}
    if get_origin(hint) is tuple:
        items = get_args(hint)
        any_length = items[-1] is Ellipsis
        if not isinstance(value, (list, tuple)) or not (any_length or len(value) == len(items)):
            msg = f"{where}: found {value!r}, expected {_expected(hint)}"
            raise ConfigError(msg)
        return tuple(_typed(item, items[0], where=where) for item in value)
    if isinstance(hint, type) and (
        not isinstance(value, hint) or (hint is not bool and isinstance(value, bool))
    ):
        msg = f"{where}: found {value!r}, expected {_expected(hint)}"
        raise ConfigError(msg)
    return value


def _expected(hint: Any) -> str:  # noqa: ANN401
    """Say what a field takes."""
    if get_origin(hint) is UnionType:
        return _expected(get_args(hint)[0])
    if get_origin(hint) is Annotated:
        return "a number, or [x, y]"
    if get_origin(hint) is tuple:
        items = get_args(hint)
        if items[-1] is not Ellipsis and len(items) == 2:
            return "[x, y]" if items[0] is float else f"two of {_expected(items[0])}"
        return "a list"
    if get_origin(hint) is Mapping or (isinstance(hint, type) and is_dataclass(hint)):
        return "a table"
    names = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}
    return names.get(hint, str(hint))
