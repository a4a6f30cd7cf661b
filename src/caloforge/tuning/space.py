"""Search spaces: which settings of a run are tried, and over what range."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from caloforge.config import DataConfig, TrainConfig
from caloforge.errors import ConfigError, did_you_mean
from caloforge.toml_tables import toml_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from caloforge.config import RunConfig

Value = int | float | str
"""A drawn value: a number, or the TOML text of a choice."""

_RANGE = re.compile(r"^\s*(\S+?)\.\.(\S+?)\s*(?::\s*(\w+)\s*)?$")
_EXAMPLE = "expected e.g. model.latent_dim=2..20, train.learning_rate=1e-4..1e-2:log or A,B,C"
# These leave the validation showers and what their score means as they are.
_DATA = ("conditions", "centre_on_impact", "reflect", "pair_repeats")
_NOT_TRAIN = ("validate_every", "validation_repeats", "devices", "accelerator", "threads")


@dataclass(frozen=True)
class Range:
    """Numbers between two bounds, both included.

    Attributes:
        low: Least value.
        high: Largest value.
        log: Whether the logarithm is spread evenly.
        whole: Whether it takes whole numbers only.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def as_text(self) -> str:
        """Write it as ``--search`` takes it."""
        return f"{self.setting(self.low)}..{self.setting(self.high)}{':log' * self.log}"

    def ends(self) -> tuple[str, ...]:
        """TOML of the values that a run has to accept."""
        return self.setting(self.low), self.setting(self.high)

    def setting(self, value: Value) -> str:
        """TOML of a value, of four digits: more say nothing."""
        if self.whole:
            return str(int(value))
        rounded = float(f"{float(value):.4g}")
        return repr(min(max(rounded, self.low), self.high))

    def find(self, value: Any) -> Value | None:  # noqa: ANN401 - of a run file
        """Return a run's value as one that could be drawn; none if it could not."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        inside = self.low <= value <= self.high
        return (int(value) if self.whole else float(value)) if inside else None


@dataclass(frozen=True)
class Choice:
    """Values one of which is taken.

    Attributes:
        texts: TOML of each.
    """

    texts: tuple[str, ...]

    def as_text(self) -> str:
        """Write it as ``--search`` takes it."""
        return ",".join(self.texts)

    def ends(self) -> tuple[str, ...]:
        """TOML of the values that a run has to accept."""
        return self.texts

    def setting(self, value: Value) -> str:
        """TOML of a value: itself."""
        return str(value)

    def find(self, value: Any) -> Value | None:  # noqa: ANN401 - of a run file
        """Return a run's value as one that could be drawn; none if it could not."""
        for text in self.texts:
            known = tomllib.loads(f"value = {text}")["value"]
            given = list(value) if isinstance(value, tuple) else value
            if known == given and isinstance(known, bool) == isinstance(given, bool):
                return text
        return None


Space = dict[str, Range | Choice]
"""Ranges and choices by setting, e.g. ``"model.latent_dim"``."""


def parse_searches(searches: Iterable[str], run: RunConfig) -> Space:
    """Read ``TABLE.KEY=RANGE`` as given to ``--search``, for a run.

    Raises:
        ConfigError: If one cannot be read, or its values do not fit the run.
    """
    space: Space = {}
    for search in searches:
        key, equals, text = search.partition("=")
        key = key.strip()
        if not equals or not key or not text.strip():
            msg = f"--search: found '{search}', {_EXAMPLE}"
            raise ConfigError(msg)
        if key in space:
            msg = f"--search: found '{key}' twice, expected each setting once"
            raise ConfigError(msg)
        space[key] = _dimension(key, text, run, source="--search")
    return space


def read_space(path: str | Path, run: RunConfig) -> Space:
    """Read the table ``[tune]`` of a TOML file, for a run.

    Values are written as for ``--search``, or as a list of choices.

    Raises:
        ConfigError: If it cannot be read, or its values do not fit the run.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        msg = f"{path}: not a search file ({reason}), expected TOML with a table [tune]"
        raise ConfigError(msg) from error
    if set(tables) != {"tune"} or not isinstance(tables["tune"], dict) or not tables["tune"]:
        found = ", ".join(tables) or "nothing"
        msg = f"{path}: found {found}, expected one table [tune]; run files go to RUN"
        raise ConfigError(msg)
    return {
        key: _dimension(key, value, run, source=f"{path} [tune]")
        for key, value in _flat(tables["tune"])
    }


def space_toml(space: Space) -> str:
    """Write a space as the file that `read_space` reads."""
    lines = []
    for key, dimension in space.items():
        if isinstance(dimension, Choice):
            text = "[" + ", ".join(dimension.texts) + "]"
        else:
            text = toml_text(dimension.as_text())
        lines.append(f"{key} = {text}")
    return "\n".join(["[tune]", *lines]) + "\n"


def settings_of(space: Space, values: Mapping[str, Value]) -> dict[str, str]:
    """Return drawn values as TOML by setting."""
    return {key: dimension.setting(values[key]) for key, dimension in space.items()}


def run_with(run: RunConfig, settings: Mapping[str, str], *, source: str) -> RunConfig:
    """Return a run with settings given as TOML.

    Raises:
        ConfigError: If they do not fit together.
    """
    return run.changed([f"{key}={text}" for key, text in settings.items()], source=source)


def values_of(space: Space, run: RunConfig) -> dict[str, Value] | None:
    """Return a run's own values; none if the space leaves one out."""
    tables = run.as_dict()
    found = {}
    for key, dimension in space.items():
        table, _, name = key.partition(".")
        value = dimension.find(tables[table][name])
        if value is None:
            return None
        found[key] = value
    return found


def _flat(table: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Settings of nested tables with their full names."""
    flat = []
    for key, value in table.items():
        name = f"{before}{key}"
        flat += _flat(value, f"{name}.") if isinstance(value, dict) else [(name, value)]
    return flat


def _dimension(key: str, value: Any, run: RunConfig, *, source: str) -> Range | Choice:  # noqa: ANN401
    where = f"{source} {key}"
    hint = _type_of(key, run, where)
    match = _RANGE.match(value) if isinstance(value, str) else None
    dimension = _range(match, hint, where) if match else _choice(value, where)
    for text in dimension.ends():
        run_with(run, {key: text}, source=where)
    return dimension


def _range(match: re.Match[str], hint: Any, where: str) -> Range:  # noqa: ANN401 - a type
    if hint not in (int, float):
        msg = f"{where}: found a range, expected choices A,B,C; the setting is no number"
        raise ConfigError(msg)
    if match[3] not in (None, "log"):
        msg = f"{where}: found ':{match[3]}', expected ':log' or nothing"
        raise ConfigError(msg)
    try:
        low, high = (hint(text) for text in match.groups()[:2])
    except ValueError as error:
        kind = "whole numbers" if hint is int else "numbers"
        msg = f"{where}: found '{match[0].strip()}', expected {kind} LOW..HIGH"
        raise ConfigError(msg) from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        msg = f"{where}: found '{match[0].strip()}', expected LOW..HIGH with LOW below HIGH"
        raise ConfigError(msg)
    if match[3] and low <= 0:
        msg = f"{where}: found {low} with ':log', expected LOW above 0"
        raise ConfigError(msg)
    return Range(low, high, log=bool(match[3]), whole=hint is int)


def _choice(value: Any, where: str) -> Choice:  # noqa: ANN401 - from a file
    if isinstance(value, str):
        try:
            values = tomllib.loads(f"value = [{value}]")["value"]
        except tomllib.TOMLDecodeError:
            values = [word.strip() for word in value.split(",")]
    else:
        values = value
    if not isinstance(values, list) or any(isinstance(item, dict) for item in values):
        msg = f"{where}: found {value!r}, {_EXAMPLE}"
        raise ConfigError(msg)
    texts = tuple(toml_text(item) for item in values)
    if len(texts) < 2 or len(set(texts)) < len(texts) or '""' in texts:
        msg = (
            f"{where}: found '{value}', expected LOW..HIGH or two different choices A,B or "
            "more; one value goes to --set"
        )
        raise ConfigError(msg)
    return Choice(texts)


def _type_of(key: str, run: RunConfig, where: str) -> Any:  # noqa: ANN401 - a type
    """Type of a setting.

    Raises:
        ConfigError: If there is none, or trials that differ in it could not be compared.
    """
    classes = {"model": type(run.model), "data": DataConfig, "train": TrainConfig}
    table, dot, name = key.partition(".")
    if not dot or table not in classes:
        msg = f"{where}: no setting to search, expected model.KEY, train.KEY or data.KEY"
        raise ConfigError(msg)
    hints = get_type_hints(classes[table])
    if name not in hints and key != "model.name":
        msg = f"{where}: unknown setting; {did_you_mean(name, hints)}"
        raise ConfigError(msg)
    if key == "model.name":
        msg = f"{where}: models have settings of their own, expected one; tune each by itself"
        raise ConfigError(msg)
    if (table == "data" and name not in _DATA) or (table == "train" and name in _NOT_TRAIN):
        msg = f"{where}: trials that differ in it cannot be compared; choose it with --set"
        raise ConfigError(msg)
    return hints[name]
