"""What is counted of the particle table: columns that are no numbers, contradictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.events.species import species_of
from caloforge.inspection.defects import Defect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry
    from caloforge.inspection.view import View

# E against sqrt(p^2 + m^2): tables of six digits and float32 agree to 1e-5; 1e-3 leaves room
# for tables of four.
ENERGY_TOLERANCE = 1e-3
# Mass against that of the kind: long-lived particles are narrow, tables are rounded.
MASS_TOLERANCE = 0.02
_MASS_FLOOR_MEV = 0.05
_UNIT_TOLERANCE = 0.05


BY_KIND = "mass of the kind"
"""Reading of a row in which energy and momentum are right, and the mass is not."""


class Kinematics:
    """How often each reading of energy, momentum and mass fits where the right one does not.

    Attributes:
        off: Rows with E apart from sqrt(p^2 + m^2).
        readings: Number of those rows that another reading explains.
        residual: Sum over massive rows of (sqrt(p^2 + m^2) - E) / m, and their number.
        judged: Rows that have a momentum.
    """

    def __init__(self) -> None:
        self.off = Defect()
        self.readings: dict[str, int] = {}
        self.residuals: list[float] = []
        self.judged = 0

    def add(
        self,
        columns: dict[str, NDArray[np.float64]],
        known_mass: NDArray[np.float64],
        start: int,
    ) -> None:
        """Count a piece; ``known_mass`` is that of each kind in GeV, NaN if unknown."""
        energy, mass = columns["energy_gev"], columns["mass_mev"] / 1000
        momenta = [columns[f"p{axis}_gev"] for axis in "xyz"]
        p = np.hypot(np.hypot(momenta[0], momenta[1]), momenta[2])
        judged = (p > 0) & (energy > 0) & np.isfinite(mass)
        self.judged += int(judged.sum())
        total = np.hypot(p, mass)
        off = judged & (np.abs(energy - total) > ENERGY_TOLERANCE * total)
        self.off.add(off, start, energy)
        # A kinetic energy is low by the mass: far below the tolerance for fast particles, but
        # the same multiple of the mass for all.
        massive = judged & (mass > 1e-4 * energy)
        if massive.any():
            residual = (total - energy)[massive] / mass[massive]
            self.residuals.append(float(np.median(residual)))
        if not off.any():
            return
        e, q, m = energy[off], p[off], mass[off]
        readings = {
            "kinetic energy": (e + m, q, m),
            "energy in MeV": (e / 1000, q, m),
            "energy in TeV": (e * 1000, q, m),
            "momentum in MeV/c": (e, q / 1000, m),
            "energy and momentum in MeV": (e / 1000, q / 1000, m),
            BY_KIND: (e, q, known_mass[off]),
        }
        for name, (e2, q2, m2) in readings.items():
            expected = np.hypot(q2, m2)
            fits = np.abs(e2 - expected) <= ENERGY_TOLERANCE * expected
            self.readings[name] = self.readings.get(name, 0) + int(fits.sum())


class ColumnTally:
    """Checks of each row of the particle table.

    Attributes:
        names: Columns of the file, ours first.
        missing: Columns that it does not have.
        not_finite: Rows that are NaN or infinite, by column.
        least: Least value and its row, by column.
        largest: Largest value and its row, by column.
        always_zero: Columns that are 0 throughout.
        energy: Rows whose energy is not above 0.
        kind: Rows whose pdg is no integer, or 0.
        unknown: Rows whose kind has no known mass.
        mass: Rows whose mass is not that of the kind.
        charge: Rows whose charge is not that of the kind.
        thirds: Those of them whose charge is three times that of the kind.
        gev: Rows whose mass is that of the kind in GeV.
        forwards: Rows with pz > 0.
        backwards: Rows with pz < 0.
        kinematics: Energy against momentum and mass.
    """

    def __init__(self, geometry: DetectorGeometry) -> None:
        self._face = geometry.front_face_z_cm
        self.names: tuple[str, ...] = ()
        self.missing: tuple[str, ...] = ()
        self.not_finite: dict[str, Defect] = {}
        self.least: dict[str, tuple[float, int]] = {}
        self.largest: dict[str, tuple[float, int]] = {}
        self.energy, self.kind, self.unknown = Defect(), Defect(), Defect()
        self.mass, self.charge = Defect(), Defect()
        self.thirds = self.gev = 0
        self.forwards, self.backwards = Defect(), Defect()
        self.kinematics = Kinematics()
        self._known: dict[int, tuple[float, float]] = {}

    @property
    def always_zero(self) -> set[str]:
        """Columns that are 0 throughout."""
        return {k for k in self.least if self.least[k][0] == 0 == self.largest[k][0]}

    def add(self, view: View) -> None:
        """Count a piece."""
        columns = dict(view.columns)
        self.names, self.missing = tuple(columns), view.missing
        for name, values in columns.items():
            if name in view.missing:
                continue
            finite = np.isfinite(values)
            defect = self.not_finite.setdefault(name, Defect())
            if not finite.all():
                defect.add(~finite, view.start, values)
                if not finite.any():
                    continue
            low, high = np.where(finite, values, np.inf), np.where(finite, values, -np.inf)
            for table, row, better in (
                (self.least, int(np.argmin(low)), np.less),
                (self.largest, int(np.argmax(high)), np.greater),
            ):
                if name not in table or better(values[row], table[name][0]):
                    table[name] = (float(values[row]), view.start + row)
        energy, pdg = columns["energy_gev"], columns["pdg"]
        self.energy.add(energy <= 0, view.start, energy)
        pz = columns["pz_gev"]
        self.forwards.add(pz > 0, view.start, pz)
        self.backwards.add(pz < 0, view.start, pz)
        whole = np.isfinite(pdg) & (pdg == np.floor(pdg)) & (np.abs(pdg) < 2**31)
        self.kind.add(np.isfinite(pdg) & (~whole | (pdg == 0)), view.start, pdg)
        mass = self._species(columns, np.where(whole, pdg, 0).astype(np.int64), view.start)
        self.kinematics.add(columns, mass / 1000, view.start)

    def _species(
        self, columns: dict[str, NDArray[np.float64]], pdg: NDArray[np.int64], start: int
    ) -> NDArray[np.float64]:
        """Compare mass and charge with those of the kind; return its mass in MeV."""
        kinds, where = np.unique(pdg, return_inverse=True)
        for kind in kinds.tolist():
            if kind not in self._known:
                species = species_of(kind) if kind else None
                nothing = (np.nan, np.nan)
                self._known[kind] = (
                    nothing if species is None else (species.mass_mev, species.charge_e)
                )
        mass, charge = np.array([self._known[kind] for kind in kinds.tolist()])[where].T
        self.unknown.add(np.isnan(mass) & (pdg != 0), start, pdg.astype(np.float64))
        found = columns["mass_mev"]
        allowed = MASS_TOLERANCE * mass + _MASS_FLOOR_MEV
        wrong = np.abs(found - mass) > allowed  # false where either is NaN
        self.mass.add(wrong, start, found)
        self.gev += int((wrong & (np.abs(found * 1000 - mass) <= allowed)).sum())
        found = columns["charge_e"]
        wrong = np.abs(found - charge) > _UNIT_TOLERANCE
        self.charge.add(wrong, start, found)
        self.thirds += int((wrong & (np.abs(found - 3 * charge) <= _UNIT_TOLERANCE)).sum())
        return np.asarray(mass)
