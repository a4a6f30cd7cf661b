"""Which branch is which: the TOML mapping from another program's names and units to ours."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from caloforge.data.columns import PARTICLE_COLUMNS, check_names
from caloforge.errors import ConfigError, DataFormatError, did_you_mean
from caloforge.formats.units import conversion
from caloforge.toml_tables import as_table, from_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MOMENTUM = ("px_gev", "py_gev", "pz_gev")
SPECIAL = ("incident", "cpu_seconds")
"""Columns of a mapping that are no property of the particle."""
_KEYS = ("tree", "geometry", "cells", "columns", "direction")
_DERIVED = {"mass_mev": "pdg", "charge_e": "pdg", "energy_gev": "momentum"} | dict.fromkeys(
    MOMENTUM, "direction"
)
_ORDERS = ("xy", "yx")


@dataclass(frozen=True)
class ColumnRule:
    """Where one property of the particle comes from: exactly one of the first four.

    Attributes:
        branch: Name of a branch with one number a row.
        kinetic: Name of a branch with the kinetic energy, for the energy only.
        value: One number for all rows.
        derive_from: ``"pdg"`` (mass, charge), ``"momentum"`` (energy), ``"direction"``
            (momentum).
        default: Number to take if the file has no such branch.
        unit: Unit of the numbers, by default ours.
    """

    branch: str = ""
    kinetic: str = ""
    value: float | None = None
    derive_from: str = ""
    default: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class CellRule:
    """Where the cell responses are.

    Attributes:
        branch: Branches with the responses: every cell in each row, or only those hit if
            ``index`` is given. Several dense ones (one a layer) follow each other.
        index: Branches that number the cells hit: one with our cell number, or two (x, y) of a
            grid, or three (layer, angle, radius) of a cylinder. ``()`` for dense showers.
        first_index: Number of the first cell, 0 or 1.
        unit: Unit of the responses, by default that of the geometry.
        order: ``"xy"`` if y runs fastest in a grid, as with us, ``"yx"`` if x does.
    """

    branch: tuple[str, ...] = ("cells",)
    index: tuple[str, ...] = ()
    first_index: int = 0
    unit: str = ""
    order: str = "xy"

    def as_dict(self) -> dict[str, Any]:
        """Return the table ``[cells]`` of a mapping file."""
        return {
            "branch": list(self.branch),
            "index": list(self.index),
            "first_index": self.first_index,
            "unit": self.unit,
            "order": self.order,
        }


@dataclass(frozen=True)
class BranchMapping:
    """Names and units of a flat tree.

    Attributes:
        source: Where the mapping comes from, for messages.
        tree: Name of the tree, ``""`` for the only one of the file.
        geometry: Detector, by name or path of its TOML file; ``""`` if not said.
        cells: Where the cell responses are.
        columns: Where the columns are, by our name. What is not here is looked for under our
            name; mass and charge are derived from pdg if the file has neither.
        direction: Rules for ``x, y, z``, or ``theta, phi``, or ``eta, phi``.
        others: Whether all other branches of numbers become further columns.
    """

    source: str = "the built-in mapping"
    tree: str = ""
    geometry: str = ""
    cells: CellRule = field(default_factory=CellRule)
    columns: Mapping[str, ColumnRule] = field(default_factory=dict)
    direction: Mapping[str, ColumnRule] = field(default_factory=dict)
    others: bool = False

    def branch_of(self, column: str) -> str:
        """Return the branch under which a column is written: its own name unless mapped."""
        rule = self.columns.get(column)
        return rule.branch if rule and rule.branch else column


def read_mapping(path: Path) -> BranchMapping:
    """Read a mapping from a TOML file.

    Raises:
        ConfigError: If there is no such file, it is not TOML, or a key, a unit or a value in it
            is unknown.
    """
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except OSError as error:
        msg = f"{path}: found no readable file, expected a mapping in TOML; check its name"
        raise ConfigError(msg) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path}: not valid TOML ({error}); see docs/formats/root.md for a mapping"
        raise ConfigError(msg) from error
    mapping = parse_mapping(table, source=str(path))
    beside = path.parent / mapping.geometry
    # A detector's file lies beside its mapping, wherever the command is run.
    if mapping.geometry and beside.is_file():
        return replace(mapping, geometry=str(beside))
    return mapping


def parse_mapping(table: Mapping[str, Any], *, source: str) -> BranchMapping:
    """Build a mapping from parsed TOML.

    Arguments:
        table: Content of the file.
        source: Where it came from, for messages.

    Raises:
        ConfigError: As `read_mapping`.
    """
    for key in table:
        if key not in _KEYS:
            msg = f"{source}: unknown key '{key}'; {did_you_mean(key, _KEYS)}"
            raise ConfigError(msg)
    columns = {
        name: _rule(value, where=f"{source} [columns] {name}")
        for name, value in as_table(
            table.get("columns", {}), where=f"{source} [columns]"
        ).items()
    }
    _check_columns(columns, source)
    direction = {
        name: _rule(value, where=f"{source} [direction] {name}")
        for name, value in as_table(
            table.get("direction", {}), where=f"{source} [direction]"
        ).items()
    }
    _check_direction(direction, columns, source)
    return BranchMapping(
        source=source,
        tree=_text(table.get("tree", ""), where=f"{source} tree"),
        geometry=_text(table.get("geometry", ""), where=f"{source} geometry"),
        cells=_cells(table.get("cells", {}), where=f"{source} [cells]"),
        columns=columns,
        direction=direction,
    )


def _text(value: Any, *, where: str) -> str:  # noqa: ANN401 - from a file
    """Return a value if it is text."""
    if not isinstance(value, str):
        msg = f"{where}: found {value!r}, expected text"
        raise ConfigError(msg)
    return value


def _rule(value: Any, *, where: str) -> ColumnRule:  # noqa: ANN401 - from a file
    """Read a rule: a name, a number, or a table."""
    if isinstance(value, str):
        value = {"branch": value}
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        value = {"value": value}
    rule = from_table(ColumnRule, value, where=where)
    given = [rule.branch, rule.kinetic, rule.derive_from, rule.value is not None]
    if sum(map(bool, given)) != 1:
        msg = f"{where}: found {value}, expected one of branch, kinetic, value, derive_from"
        raise ConfigError(msg)
    return rule


def _check_columns(columns: Mapping[str, ColumnRule], source: str) -> None:
    """Refuse misspelt columns, foreign units, and what cannot be derived."""
    where = f"{source} [columns]"
    try:
        check_names({**PARTICLE_COLUMNS, **columns}, source=where)
    except DataFormatError as error:
        raise ConfigError(str(error)) from error
    if "showers" in columns:
        msg = f"{where}: a column cannot be called 'showers'; name its branch under [cells]"
        raise ConfigError(msg)
    for name, rule in columns.items():
        here = f"{where} {name}"
        if not name or "/" in name:
            msg = f"{where}: found column '{name}', expected a name without '/'; rename it"
            raise ConfigError(msg)
        if rule.derive_from and rule.derive_from != _DERIVED.get(name):
            known = _DERIVED.get(name)
            msg = f"{here}: found derive_from = '{rule.derive_from}', expected " + (
                f"'{known}'" if known else "a branch or a value: nothing else tells it"
            )
            raise ConfigError(msg)
        if rule.kinetic and name != "energy_gev":
            msg = f"{here}: found kinetic = '{rule.kinetic}', expected it for energy_gev only"
            raise ConfigError(msg)
        unit = PARTICLE_COLUMNS[name].unit if name in PARTICLE_COLUMNS else ""
        if rule.unit and not unit:
            msg = f"{here}: found unit = '{rule.unit}', but this column has none; remove it"
            raise ConfigError(msg)
        conversion(rule.unit, unit, where=here)
    energy = columns.get("energy_gev", ColumnRule())
    turned = [c for c in MOMENTUM if columns.get(c, ColumnRule()).derive_from]
    if energy.derive_from and turned:
        msg = (
            f"{where}: energy_gev is derived from {turned[0]} and the other way round; give one"
        )
        raise ConfigError(msg)


def _check_direction(
    direction: Mapping[str, ColumnRule], columns: Mapping[str, ColumnRule], source: str
) -> None:
    """Refuse a direction that is not one of the three kinds, or that is needed and missing."""
    where = f"{source} [direction]"
    known = {"x", "y", "z", "theta", "phi", "eta"}
    for name, rule in direction.items():
        if name not in known:
            msg = f"{where}: unknown key '{name}'; {did_you_mean(name, sorted(known))}"
            raise ConfigError(msg)
        angle = name in ("theta", "phi")
        if (
            rule.derive_from
            or rule.kinetic
            or rule.unit not in (("", "rad", "deg", "mrad") if angle else ("",))
        ):
            what = (
                "a branch or a number in rad, mrad or deg" if angle else "a branch or a number"
            )
            msg = f"{where} {name}: expected {what}; leave out the rest"
            raise ConfigError(msg)
    names = set(direction)
    if names and not (names <= {"x", "y", "z"} or names in ({"theta", "phi"}, {"eta", "phi"})):
        msg = (
            f"{where}: found {', '.join(direction)}, expected x, y, z; theta, phi; or eta, phi"
        )
        raise ConfigError(msg)
    needed = [name for name, rule in columns.items() if rule.derive_from == "direction"]
    if needed and not names:
        msg = f"{where}: the table is missing, expected one as {needed[0]} is derived from it"
        raise ConfigError(msg)


def _cells(table: Any, *, where: str) -> CellRule:  # noqa: ANN401 - from a file
    """Read the table ``[cells]``, in which one name may stand for a list of one."""
    table = as_table(table, where=where)
    for key in ("branch", "index"):
        if isinstance(table.get(key), str):
            table[key] = [table[key]]
    rule = from_table(CellRule, table, where=where)
    if not rule.branch or not all((*rule.branch, *rule.index)):
        msg = f"{where} branch: found no name, expected that of the cells' branch"
        raise ConfigError(msg)
    if rule.index and len(rule.branch) != 1:
        msg = f"{where} branch: found {len(rule.branch)} names, expected one beside index"
        raise ConfigError(msg)
    if len(rule.index) > 3:
        msg = f"{where} index: found {len(rule.index)} names, expected 1, 2 or 3"
        raise ConfigError(msg)
    if rule.order not in _ORDERS:
        msg = f"{where} order: found '{rule.order}', expected 'xy' or 'yx'"
        raise ConfigError(msg)
    if rule.first_index not in (0, 1):
        msg = f"{where} first_index: found {rule.first_index}, expected 0 or 1"
        raise ConfigError(msg)
    return rule
