"""Laws in gun files: tables whose key ``law`` says what their other keys mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from caloforge.errors import ConfigError, did_you_mean
from caloforge.toml_tables import as_number, as_table, from_table

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


def by_law(laws: Mapping[str, type[T]], table: Any, *, where: str) -> T:  # noqa: ANN401
    """Build the dataclass that the key ``law`` of a table names.

    Arguments:
        laws: Frozen dataclasses by name.
        table: Parsed table.
        where: File and table, for messages.

    Raises:
        ConfigError: If there is no such law, or its keys are wrong.
    """
    rest = as_table(table, where=where)
    name = rest.pop("law", None)
    if name is None:
        msg = f"{where}: key 'law' is missing, expected one of {', '.join(laws)}"
        raise ConfigError(msg)
    if name not in laws:
        msg = f"{where}: unknown law '{name}'; {did_you_mean(str(name), laws)}"
        raise ConfigError(msg)
    return checked_table(laws[name], rest, where=where)


def checked_table(cls: type[T], table: Any, *, where: str) -> T:  # noqa: ANN401
    """Build a dataclass from its table, and say where its own checks failed.

    Raises:
        ConfigError: If a key or value is wrong.
    """
    try:
        return from_table(cls, table, where=where)
    except ConfigError as error:
        if str(error).startswith(where):
            raise
        msg = f"{where} {error}"
        raise ConfigError(msg) from error


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
