"""Incident particles from a table: CSV, Parquet, or the particles of a shower file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data import PARTICLE_COLUMNS, Particles, kind_name, read_particles
from caloforge.errors import DataFormatError
from caloforge.events.species import species_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from caloforge.events.beamline import Beamline

Z_TOLERANCE_CM = 0.1
"""How far from the front face a row may lie: single precision and rounded tables pass."""

_ENERGY_TOLERANCE = 0.01  # of energy against momentum and mass
_MASS_TOLERANCE = 0.01  # of the mass against the table of particles, and 1 MeV
_MASS_TOLERANCE_MEV = 1.0


def read_incident(path: Path, beamline: Beamline) -> tuple[Particles, dict[str, Any]]:
    """Read the different incident particles of a table, in order of appearance.

    Rows of equal ``incident`` are one particle. Columns beyond the ten of every table are kept
    if they agree among its rows (a photon sum does not: it belongs to the shower).

    Arguments:
        path: A shower file, CSV or Parquet.
        beamline: Where particles have to be.

    Returns:
        One row a particle, ``incident`` counting up from 0; and how many rows were read.

    Raises:
        DataFormatError: If the file is no table of particles, rows of one particle differ, or a
            row is not at the front face, does not fly into it, or contradicts itself.
    """
    rows = read_particles(path)
    _, first, where = np.unique(rows.incident, return_index=True, return_inverse=True)
    same = first[where]  # for each row, the first row of its particle
    left_out = []
    for name in rows.names:
        differs = rows[name] != rows[name][same]
        if not differs.any():
            continue
        if name in PARTICLE_COLUMNS:
            row = int(np.argmax(differs))
            msg = (
                f"{path}: rows {int(same[row])} and {row} have incident = "
                f"{int(rows.incident[row])} but {name} = {rows[name][same][row]:.10g} and "
                f"{rows[name][row]:.10g}, expected one particle a number; correct 'incident', "
                "or leave the column out"
            )
            raise DataFormatError(msg)
        left_out.append(name)
    _check_rows(rows, path, beamline)
    chosen = np.sort(first)
    columns = {k: v[chosen] for k, v in rows.columns.items() if k not in left_out}
    counts: dict[str, Any] = {"rows": len(rows), "particles_in_file": len(chosen)}
    if left_out:
        counts["columns_left_out"] = left_out
    return Particles(columns, np.arange(len(chosen))), counts


def _check_rows(rows: Particles, path: Path, beamline: Beamline) -> None:
    """Refuse rows that cannot enter the detector as they stand."""
    face = beamline.face
    detector = f"the front face of '{beamline.detector}'"
    _refuse(
        np.abs(rows["z_cm"] - face.z_cm) > Z_TOLERANCE_CM,
        rows["z_cm"],
        f"{path}: z_cm",
        f"expected {face.z_cm:g}, {detector}; give x, y and z where the particle enters it",
    )
    side = "below" if face.beam < 0 else "above"
    _refuse(
        ~(rows["pz_gev"] * face.beam > 0),
        rows["pz_gev"],
        f"{path}: pz_gev",
        f"expected {side} 0 to fly into {detector}; turn the sign of pz_gev (and check px, py)",
    )
    mass = rows["mass_mev"] / 1000
    momentum2 = rows["px_gev"] ** 2 + rows["py_gev"] ** 2 + rows["pz_gev"] ** 2
    energy = np.sqrt(momentum2 + mass**2)
    wrong = np.abs(rows["energy_gev"] - energy) > _ENERGY_TOLERANCE * energy
    row = int(np.argmax(wrong))
    _refuse(
        wrong,
        rows["energy_gev"],
        f"{path}: energy_gev",
        f"expected {energy[row]:.6g} GeV from momentum and mass of that row, to 1 %; energies "
        "are total energies in GeV, momenta in GeV/c, masses in MeV/c2",
    )
    for pdg in np.unique(rows["pdg"]).tolist():
        species = species_of(pdg)
        if species is None:
            continue  # Geant4 may know it
        mine = rows["pdg"] == pdg
        allowed = max(_MASS_TOLERANCE_MEV, _MASS_TOLERANCE * species.mass_mev)
        for name, value, tolerance in (
            ("mass_mev", species.mass_mev, allowed),
            ("charge_e", species.charge_e, 0.01),
        ):
            _refuse(
                mine & (np.abs(rows[name] - value) > tolerance),
                rows[name],
                f"{path}: {name}",
                f"expected {value:g} of '{kind_name(pdg)}' (pdg {pdg}); correct {name} or pdg",
            )


def _refuse(wrong: NDArray[np.bool_], found: NDArray[Any], where: str, expected: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        more = f" (and {int(wrong.sum()) - 1} more rows)" if wrong.sum() > 1 else ""
        msg = f"{where} is {found[row]:.10g} in row {row}{more}, {expected}"
        raise DataFormatError(msg)
