"""Guns: incident particles from laws in a TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data import Particles
from caloforge.errors import ConfigError, did_you_mean
from caloforge.events import draws
from caloforge.events.laws import as_weight, checked_table
from caloforge.events.positions import Point, PositionLaw, position_from
from caloforge.events.species import Species, find_species
from caloforge.events.spectra import Spectrum, spectrum_from
from caloforge.toml_tables import PerPlane, as_list, as_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caloforge.events.beamline import FrontFace

_KEYS = ("title", "energy", "kinds", "positions", "direction")
_KIND_KEYS = ("particle", "weight", "energy")


@dataclass(frozen=True)
class Direction:
    """Where particles fly to, as slopes dx/d|z| and dy/d|z|.

    Attributes:
        mean_mrad: Mean slopes in thousandths; positive towards +x and +y on either side.
        divergence_mrad: Standard deviation of each slope.
    """

    mean_mrad: tuple[float, float] = (0.0, 0.0)
    divergence_mrad: PerPlane = (0.0, 0.0)

    def __post_init__(self) -> None:
        if min(self.divergence_mrad) < 0:
            msg = f"divergence_mrad: found {list(self.divergence_mrad)}, expected 0 or more"
            raise ConfigError(msg)


@dataclass(frozen=True)
class Kind:
    """One kind of particle in a gun.

    Attributes:
        species: What it is.
        weight: Relative frequency.
        spectrum: Of its total energy.
    """

    species: Species
    weight: float
    spectrum: Spectrum


@dataclass(frozen=True)
class Gun:
    """A law for incident particles.

    Attributes:
        name: Its name, or the path of its file.
        kinds: What flies, and with what energy.
        positions: Weights and laws of where it enters.
        direction: Where it flies to.
        table: The TOML file as it stands, for the record.
    """

    name: str
    kinds: tuple[Kind, ...]
    positions: tuple[tuple[float, PositionLaw], ...] = ((1.0, Point()),)
    direction: Direction = Direction()
    table: Mapping[str, Any] = field(default_factory=dict)

    def fire(self, n: int, *, seed: int, face: FrontFace, first: int = 0) -> Particles:
        """Make incident particles on the front face.

        Particle k depends on ``seed`` and k alone: a longer run starts with the same particles,
        and any of them can be made alone. Its random numbers are, in this order, for kind,
        position law, energy, x, y, slope in x, slope in y; see `uniforms`.

        Arguments:
            n: How many.
            seed: Seed of the run.
            face: Where they enter.
            first: Number of the first of them.

        Returns:
            One row a particle, ``incident`` counting up from ``first``; those that miss the
            face are among them.

        Raises:
            ConfigError: If the seed is out of range.

        Example:
            >>> from caloforge.events import load_gun, read_beamline
            >>> face = read_beamline("zn").face
            >>> load_gun("neutron-100").fire(3, seed=1, face=face)["energy_gev"].tolist()
            [100.0, 100.0, 100.0]
        """
        u = draws.uniforms(seed, n, first=first)
        which = draws.pick([kind.weight for kind in self.kinds], u[:, draws.KIND])
        energy = np.empty(n)
        for k, kind in enumerate(self.kinds):
            mine = which == k
            energy[mine] = kind.spectrum.energies_gev(u[mine, draws.ENERGY])
        species = [kind.species for kind in self.kinds]
        mass_mev = np.array([kind.mass_mev for kind in species])[which]

        law = draws.pick([weight for weight, _ in self.positions], u[:, draws.POSITION])
        xy = np.empty((n, 2))
        for k, (_, position) in enumerate(self.positions):
            mine = law == k
            xy[mine] = position.points_cm(u[mine, draws.X : draws.Y + 1], face)

        spread = draws.normal(u[:, draws.SLOPE_X : draws.SLOPE_Y + 1])
        slope = spread * self.direction.divergence_mrad + self.direction.mean_mrad
        slope /= 1000
        mass = mass_mev / 1000
        # As a product, because the difference of squares loses digits near the mass.
        momentum = np.sqrt((energy - mass) * (energy + mass))
        along = momentum / np.sqrt(1 + (slope**2).sum(axis=1))
        columns = {
            "pdg": np.array([kind.pdg for kind in species])[which],
            "energy_gev": energy,
            "x_cm": xy[:, 0],
            "y_cm": xy[:, 1],
            "z_cm": np.full(n, face.z_cm),
            "px_gev": slope[:, 0] * along,
            "py_gev": slope[:, 1] * along,
            "pz_gev": face.beam * along,
            "mass_mev": mass_mev,
            "charge_e": np.array([kind.charge_e for kind in species])[which],
        }
        return Particles(columns, np.arange(first, first + n))


def gun_names() -> tuple[str, ...]:
    """Return the names of the guns that come with caloforge."""
    folder = resources.files("caloforge.events") / "guns"
    names = (path.name for path in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_gun(name_or_path: str | Path) -> Gun:
    """Load a gun by name (``"zn"``) or from the path of a TOML file.

    Raises:
        ConfigError: If there is none, it is not TOML, or a key or value is wrong.
    """
    name, path = str(name_or_path), Path(name_or_path)
    if name in gun_names():
        resource = resources.files("caloforge.events") / "guns" / f"{name}.toml"
        text, source = resource.read_text(encoding="utf-8"), f"gun {name}.toml"
    elif path.is_file():
        source = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            msg = (
                f"{source}: not a text file, expected a gun in TOML; files of particles are "
                "given with --particles"
            )
            raise ConfigError(msg) from error
    else:
        msg = (
            f"gun: found no '{name}', expected a TOML file or one of caloforge's; "
            f"{did_you_mean(name, gun_names())}"
        )
        raise ConfigError(msg)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"{source}: not valid TOML ({error}); correct it"
        raise ConfigError(msg) from error
    return gun_from_table(table, name=name, source=source)


def gun_from_table(table: Mapping[str, Any], *, name: str, source: str) -> Gun:
    """Build a gun from the content of its TOML file.

    Arguments:
        table: Parsed TOML.
        name: Name of the gun.
        source: Where it came from, for messages.

    Raises:
        ConfigError: If a key is unknown or missing, or a value cannot be.
    """
    for key in table:
        if key not in _KEYS:
            msg = f"{source}: unknown key '{key}'; {did_you_mean(key, _KEYS)}"
            raise ConfigError(msg)
    if "kinds" not in table:
        msg = f"{source}: table 'kinds' is missing; write [[kinds]] and particle = \"n\""
        raise ConfigError(msg)
    kinds = tuple(
        _kind(kind, table.get("energy"), where=f"{source} [[kinds]] {k + 1}")
        for k, kind in enumerate(as_list(table["kinds"], where=f"{source} kinds"))
    )
    _check_weights([kind.weight for kind in kinds], where=f"{source} [[kinds]]")
    positions: list[tuple[float, PositionLaw]] = []
    given = table.get("positions", [{"law": "point"}])
    for k, law in enumerate(as_list(given, where=f"{source} positions")):
        where = f"{source} [[positions]] {k + 1}"
        law = dict(as_table(law, where=where))
        weight = as_weight(law.pop("weight", 1.0), where=f"{where} weight")
        positions.append((weight, position_from(law, where=where)))
    _check_weights([weight for weight, _ in positions], where=f"{source} [[positions]]")
    direction = checked_table(
        Direction, table.get("direction", {}), where=f"{source} [direction]"
    )
    return Gun(name, kinds, tuple(positions), direction, dict(table))


def _kind(table: Any, energy: Any, *, where: str) -> Kind:  # noqa: ANN401 - from a file
    """Build one row of ``[[kinds]]``; ``energy`` is the spectrum of those without their own."""
    table = as_table(table, where=where)
    for key in table:
        if key not in _KIND_KEYS:
            msg = f"{where}: unknown key '{key}'; {did_you_mean(key, _KIND_KEYS)}"
            raise ConfigError(msg)
    if "particle" not in table:
        msg = f"{where}: key 'particle' is missing; write e.g. particle = \"n\""
        raise ConfigError(msg)
    species = find_species(table["particle"], where=f"{where} particle")
    value = table.get("energy", energy)
    if value is None:
        msg = f"{where}: key 'energy' is missing; give it here, or a table [energy] for all"
        raise ConfigError(msg)
    spectrum = spectrum_from(value, where=f"{where} energy")
    low, mass_gev = spectrum.bounds_gev[0], species.mass_mev / 1000
    if low <= mass_gev:
        msg = (
            f"{where} energy: found {low:g} GeV for '{species.name}', expected more than its "
            f"mass, {mass_gev:.6g} GeV; energies are total energies, mass included"
        )
        raise ConfigError(msg)
    weight = as_weight(table.get("weight", 1.0), where=f"{where} weight")
    return Kind(species, weight, spectrum)


def _check_weights(weights: list[float], *, where: str) -> None:
    if not sum(weights) > 0:
        msg = f"{where}: found no weight above 0, expected at least one; raise one"
        raise ConfigError(msg)
