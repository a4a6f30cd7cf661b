"""Properties of the incident particles from the branches of another program."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.columns import PARTICLE_COLUMNS, RESERVED, check_names, is_storable
from caloforge.data.misspelling import likely_names
from caloforge.errors import DataFormatError
from caloforge.formats.kinds import said
from caloforge.formats.mapping.names import MOMENTUM, SPECIAL, BranchMapping, ColumnRule
from caloforge.formats.units import conversion

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

_NO_RULE = ColumnRule()


class ColumnPlan:
    """How each column follows from branches, constants and other columns.

    Arguments:
        mapping: Names and units.
        branches: Branches of the file that hold one number a row.
        pdg: Particle kind of all rows, if the file does not say it.
        source: The file, for messages.
        others: What further branches hold, e.g. ``"text"``, for messages.

    Attributes:
        needed: Branches to be read.
        conversions: What is converted, derived or taken as a constant, a sentence each.
        unstorable: Branches that are left out since no file can hold columns of such names.

    Raises:
        DataFormatError: If a column has neither a branch nor a rule.
    """

    def __init__(
        self,
        mapping: BranchMapping,
        branches: Collection[str],
        *,
        pdg: int | None,
        source: str,
        others: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._mapping, self._pdg, self._source = mapping, pdg, source
        self._rules: dict[str, ColumnRule] = {}
        self.conversions: list[str] = []
        self.unstorable: list[str] = []
        missing = []
        for name in PARTICLE_COLUMNS:
            rule = _found(mapping.columns.get(name), name, branches)
            if name == "pdg" and pdg is not None and (rule is None or not rule.branch):
                rule = ColumnRule(value=pdg)
            if rule is None:
                asked = mapping.columns.get(name, _NO_RULE)
                missing.append((name, asked.branch or asked.kinetic or name))
            else:
                self._rules[name] = rule
        for name, rule in mapping.columns.items():
            if name not in PARTICLE_COLUMNS:
                found = _found(rule, name, branches)
                if found is None:
                    missing.append((name, rule.branch))
                else:
                    self._rules[name] = found
        for name in SPECIAL:
            if name in branches and name not in mapping.columns:
                self._rules[name] = ColumnRule(branch=name)
        for name, rule in mapping.direction.items():
            if rule.branch and rule.branch not in branches:
                missing.append((f"[direction] {name}", rule.branch))
        if missing:
            raise _missing(missing, mapping, branches, source, others)
        self._add_others(branches)
        self.needed = self._needed()
        self._describe()

    def columns(self, branches: Mapping[str, NDArray[Any]], n: int) -> dict[str, NDArray[Any]]:
        """Work out the columns of ``n`` rows.

        What cannot be worked out, such as the mass of an unknown kind or the momentum of a
        particle with less energy than mass, is NaN: checks find it, row by row.

        Arguments:
            branches: The needed branches, each ``(n,)``.
            n: Number of rows.

        Returns:
            Columns by name in our units, ``incident`` and ``cpu_seconds`` included if mapped.

        Raises:
            ConfigError: If the file is of another kind than ``pdg``.
        """
        done: dict[str, NDArray[Any]] = {}
        for name, rule in self._rules.items():
            if rule.branch:
                done[name] = self._convert(name, rule, branches[rule.branch])
            elif rule.value is not None:
                done[name] = self._convert(name, rule, np.full(n, rule.value))
        done["pdg"] = said(done["pdg"], self._pdg, where=self._source)
        for name, known in (("mass_mev", _mass_mev), ("charge_e", _charge_e)):
            if name not in done:
                done[name] = _by_kind(done["pdg"], known)
        mass = done["mass_mev"] / 1000
        if "energy_gev" not in done:
            rule = self._rules["energy_gev"]
            if rule.kinetic:
                kinetic = self._convert("energy_gev", rule, branches[rule.kinetic])
                done["energy_gev"] = kinetic + mass
            else:
                squares = sum(np.square(done[name], dtype=np.float64) for name in MOMENTUM)
                done["energy_gev"] = np.sqrt(squares + mass**2)
        turned = [name for name in MOMENTUM if name not in done]
        if turned:
            with np.errstate(invalid="ignore"):
                momentum = np.sqrt((done["energy_gev"] - mass) * (done["energy_gev"] + mass))
            direction = self._direction(branches, n)
            for name in turned:
                done[name] = momentum * direction[MOMENTUM.index(name)]
        return {name: done[name] for name in self._rules}

    def _convert(self, name: str, rule: ColumnRule, values: NDArray[Any]) -> NDArray[Any]:
        """Bring a column into our unit."""
        unit = PARTICLE_COLUMNS[name].unit if name in PARTICLE_COLUMNS else ""
        return conversion(rule.unit, unit, where=self._mapping.source).apply(values)

    def _direction(self, branches: Mapping[str, NDArray[Any]], n: int) -> NDArray[np.float64]:
        """Unit vectors along the momentum, ``(3, n)``; NaN for a vector of length 0."""
        rules = self._mapping.direction
        value = {
            name: branches[rule.branch].astype(np.float64)
            if rule.branch
            else np.full(n, float(rule.value or 0))
            for name, rule in rules.items()
        }
        for name in ("theta", "phi"):
            scale = {"deg": np.pi / 180, "mrad": 1e-3}.get(rules.get(name, _NO_RULE).unit, 1.0)
            if name in value:
                value[name] = value[name] * scale
        if "phi" in value:
            phi = value["phi"]
            if "eta" in value:
                sine, cosine = 1 / np.cosh(value["eta"]), np.tanh(value["eta"])
            else:
                sine, cosine = np.sin(value["theta"]), np.cos(value["theta"])
            return np.stack((sine * np.cos(phi), sine * np.sin(phi), cosine))
        vectors = np.stack([value.get(name, np.zeros(n)) for name in "xyz"])
        with np.errstate(invalid="ignore"):
            unit: NDArray[np.float64] = vectors / np.sqrt(np.square(vectors).sum(axis=0))
        return unit

    def _add_others(self, branches: Collection[str]) -> None:
        """Keep branches that nobody asked for, where the mapping says so."""
        taken = {rule.branch for rule in self._rules.values()} | set(self._rules)
        for name in branches if self._mapping.others else ():
            column = name.replace("/", "_")  # HDF5 would make folders
            if name in taken or column in self._rules or column in RESERVED:
                continue
            if not is_storable(column):
                self.unstorable.append(name)
                self.conversions.append(
                    f"left out branch {name[:40]!a}: no file can hold such a name"
                )
                continue
            try:
                check_names([*PARTICLE_COLUMNS, column], source="")
            except DataFormatError as error:
                reason = str(error).partition("; ")[2]
                self.conversions.append(f"left out branch '{name}': {reason}")
            else:
                self._rules[column] = ColumnRule(branch=name)

    def _needed(self) -> tuple[str, ...]:
        """Names of the branches that the rules read, each once."""
        used = [rule.branch or rule.kinetic for rule in self._rules.values()]
        if any(rule.derive_from == "direction" for rule in self._rules.values()):
            used += [rule.branch for rule in self._mapping.direction.values()]
        return tuple(dict.fromkeys(name for name in used if name))

    def _describe(self) -> None:
        """Say in words what does not come over as it is."""
        for name, rule in self._rules.items():
            unit = PARTICLE_COLUMNS[name].unit if name in PARTICLE_COLUMNS else ""
            text = conversion(rule.unit, unit, where=self._mapping.source).text(name)
            if rule.kinetic:
                text = f"{name}: kinetic energy '{rule.kinetic}' plus mass" + (
                    f" ({text.removeprefix(f'{name}: ')})" if text else ""
                )
            elif rule.derive_from:
                text = f"{name}: derived from {rule.derive_from}"
            elif rule.value is not None:
                text = (
                    f"{name}: {rule.value:.12g} {rule.unit or unit}".rstrip() + " in all rows"
                )
            if text:
                self.conversions.append(text)


def _found(rule: ColumnRule | None, name: str, branches: Collection[str]) -> ColumnRule | None:
    """Return the rule that can be followed for a column, if any."""
    if rule is None:
        if name in branches:
            return ColumnRule(branch=name)
        return ColumnRule(derive_from="pdg") if name in ("mass_mev", "charge_e") else None
    branch = rule.branch or rule.kinetic
    if not branch or branch in branches:
        return rule
    return None if rule.default is None else ColumnRule(value=rule.default, unit=rule.unit)


def _missing(
    missing: list[tuple[str, str]],
    mapping: BranchMapping,
    branches: Collection[str],
    source: str,
    others: Mapping[str, str],
) -> DataFormatError:
    """Say which columns nothing is known of, and what the file offers."""
    wanted = ", ".join(
        column if column == branch else f"{column} ('{branch}')" for column, branch in missing
    )
    offered = ", ".join(list(branches)[:20]) or "none"
    more = f" and {len(branches) - 20} more" if len(branches) > 20 else ""
    for _, branch in missing:
        if branch in others:
            more += f"; '{branch}' is there as {others[branch]}"
    likely = likely_names([branch for _, branch in missing], branches)
    meant = ", ".join(f"'{there}' for {name}" for name, there in likely.items())
    asked = f"; did you mean {meant}?" if meant else ""
    example = missing[0][0] if missing[0][0] in PARTICLE_COLUMNS else "x_cm"
    return DataFormatError(
        f"{source}: found no number for {wanted} by {mapping.source} (it holds {offered}"
        f"{more}){asked}; in a mapping (--mapping), name the branch or give a number: "
        f"[columns] {example} = ..."
    )


def _by_kind(pdg: NDArray[Any], known: Any) -> NDArray[np.float64]:  # noqa: ANN401
    """Look up a property of each row's kind, NaN where there is none."""
    kinds, where = np.unique(pdg, return_inverse=True)
    values = [known(int(kind)) if np.isfinite(kind) else np.nan for kind in kinds]
    return np.array(values, dtype=np.float64)[where]


@lru_cache(maxsize=4096)
def _mass_mev(pdg: int) -> float:
    """Return the mass of a kind in MeV/c2; of neutrinos 0, of the unknown NaN."""
    from particle import InvalidParticle, Particle, ParticleNotFound  # it takes a while

    try:
        mass = Particle.from_pdgid(pdg).mass
    except (ParticleNotFound, InvalidParticle):
        return np.nan
    if mass is None:
        return 0.0 if abs(pdg) in (12, 14, 16) else np.nan
    return float(mass)


@lru_cache(maxsize=4096)
def _charge_e(pdg: int) -> float:
    """Return the charge of a kind in units of e, NaN if the number means nothing."""
    from particle import PDGID  # it takes a while

    charge = PDGID(pdg).charge
    return np.nan if charge is None else float(charge)
