"""HDF5 files of the CaloChallenge: energies and voxels in MeV, and nothing else."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from caloforge.data.files.chunk_threads import Threads
from caloforge.data.files.chunk_writer import ChunkWriter
from caloforge.data.files.shower_format import attribute
from caloforge.errors import ConfigError, DataFormatError
from caloforge.formats.challenge.binning_xml import named_geometry, read_binning
from caloforge.formats.damage import UNREADABLE, damage
from caloforge.formats.format import (
    Format,
    Piece,
    ReadOptions,
    ShowerSink,
    ShowerSource,
    WriteOptions,
)
from caloforge.formats.hdf5 import is_hdf5, opened, row_blocks
from caloforge.formats.kinds import said
from caloforge.formats.units import Conversion, conversion
from caloforge.geometry import CylinderLayout, DetectorGeometry, load_geometry
from caloforge.output import SafeFile, new_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from caloforge.data import Particles

ENERGIES, SHOWERS = "incident_energies", "showers"
# Beside the challenge's, in files that we wrote: the energies in GeV. One double in 44 has none
# in MeV that gives it back, and a particle with another last digit is another one for a split.
EXACT = "energy_gev"
_MEV = {"eV": 1e-6, "keV": 1e-3, "MeV": 1.0, "GeV": 1e3, "TeV": 1e6}
# By the number of voxels: data sets 1 (photons, pions), 2 and 3, with their particles.
_PUBLISHED = {
    368: ("calochallenge-1-photons", 22),
    533: ("calochallenge-1-pions", 211),
    6480: ("cylinder", 11),
    40500: ("cylinder-fine", 11),
}
_TO_GEV = conversion("MeV", "GeV", where=ENERGIES)
_CHUNK_BYTES = 512 * 1024
_ENERGY_ROWS = 4096


# In MeV. Data set 1: what the challenge's evaluation takes; 2 and 3: 0.5 keV in the silicon, of
# which 3.3 % of the energy is seen.
_THRESHOLDS = {
    "calochallenge-1-photons": 1.0,
    "calochallenge-1-pions": 1.0,
    "cylinder": 0.5e-3 / 0.033,
    "cylinder-fine": 0.5e-3 / 0.033,
}


def challenge_threshold(geometry: DetectorGeometry) -> float:
    """Return the energy below which the challenge takes a voxel for empty.

    Arguments:
        geometry: A detector with the cells of one of the four published data sets.

    Returns:
        Threshold in the unit of the geometry.

    Raises:
        ConfigError: If the detector has other cells.
    """
    for name, threshold in _THRESHOLDS.items():
        if load_geometry(name).layout == geometry.layout and geometry.unit in _MEV:
            return threshold / _MEV[geometry.unit]
    msg = (
        f"threshold: geometry '{geometry.name}' is none of the challenge's "
        f"({', '.join(_THRESHOLDS)}), expected a number; give it in {geometry.unit}"
    )
    raise ConfigError(msg)


@dataclass(frozen=True)
class _Source:
    """An open file of the challenge."""

    path: Path
    file: h5py.File
    geometry: DetectorGeometry
    pdg: int
    conversions: tuple[str, ...]
    provenance: Mapping[str, Any]
    energy_unit: Conversion
    cell_unit: Conversion
    has_exact: bool

    @property
    def n_showers(self) -> int:
        """Number of showers."""
        return int(self.file[SHOWERS].shape[0])

    def pieces(self, size: int) -> Iterator[Piece]:
        """Go through energies and voxels; the particle follows the axis."""
        mass_mev, charge = _mass_and_charge(self.pdg)
        with damage(self.path):
            start = 0
            for rows in row_blocks(self.file[SHOWERS], size):
                energy = self._energies(slice(start, start + len(rows)))
                start += len(rows)
                cells = self.cell_unit.apply(rows.reshape(len(rows), -1))
                yield Piece(_columns(energy, self.pdg, mass_mev, charge), None, cells)

    def _energies(self, rows: slice) -> NDArray[np.float64]:
        """Return energies of particles in GeV: to the last digit, where we wrote them."""
        stored = self.file[ENERGIES][rows].ravel().astype(np.float64)
        energy: NDArray[np.float64] = self.energy_unit.apply(stored)
        if self.has_exact:
            exact = self.file[EXACT][rows]
            energy = np.where(self.energy_unit.inverse().apply(exact) == stored, exact, energy)
        return energy


def _columns(
    energy: NDArray[np.float64], pdg: int, mass_mev: float, charge: float
) -> dict[str, NDArray[Any]]:
    """Describe particles along the axis of the cylinder by their total energy in GeV."""
    zero = np.zeros_like(energy)
    mass = mass_mev / 1000
    with np.errstate(invalid="ignore"):
        momentum = np.sqrt(np.maximum((energy - mass) * (energy + mass), 0.0))
    return {
        "pdg": np.full(energy.size, pdg),
        "energy_gev": energy,
        "x_cm": zero,
        "y_cm": zero,
        "z_cm": zero,
        "px_gev": zero,
        "py_gev": zero,
        "pz_gev": momentum,
        "mass_mev": np.full(energy.size, mass_mev),
        "charge_e": np.full(energy.size, charge),
    }


def _mass_and_charge(pdg: int) -> tuple[float, float]:
    """Look a particle up: mass in MeV/c2 and charge in e."""
    from particle import InvalidParticle, Particle, ParticleNotFound

    try:
        found = Particle.from_pdgid(pdg)
    except (ParticleNotFound, InvalidParticle) as error:
        msg = f"pdg {pdg}: found no such particle, expected a code, e.g. 11; correct --pdg"
        raise DataFormatError(msg) from error
    return float(found.mass or 0.0), float(found.charge or 0.0)


def _recognise(path: Path) -> bool:
    """Whether it is HDF5 with the challenge's two data sets."""
    if not is_hdf5(path):
        return False
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            return {ENERGIES, SHOWERS} <= set(file)
    except UNREADABLE:
        return False


@contextmanager
def _read(paths: tuple[Path, ...], options: ReadOptions) -> Iterator[ShowerSource]:
    """Open a file of the challenge."""
    (path,) = paths
    with opened(path) as file:
        with damage(path):
            n_cells = _checked(path, file)
            geometry, pdg = _detector(path, file, n_cells, options)
            energy_unit = _unit(path, file, ENERGIES)
            cell_unit = _unit(path, file, SHOWERS)
            provenance = _provenance(file)
        energy = conversion(energy_unit, "GeV", where=f"{path}: {ENERGIES}")
        unit = geometry.unit if geometry.unit in _MEV else cell_unit
        cells = conversion(cell_unit, unit, where=f"{path}: {SHOWERS}")
        notes = [
            energy.text(ENERGIES),
            f"particle: pdg {pdg}, along the axis from its origin; the energy is its total",
            cells.text(SHOWERS),
        ]
        yield _Source(
            path=path,
            file=file,
            geometry=geometry,
            pdg=pdg,
            conversions=tuple(filter(None, notes)),
            provenance=provenance,
            energy_unit=energy,
            cell_unit=cells,
            has_exact=_has_exact(file),
        )


def _has_exact(file: h5py.File) -> bool:
    """Whether the energies are there in GeV, too."""
    exact = file.get(EXACT)
    return (
        isinstance(exact, h5py.Dataset)
        and exact.dtype == np.float64
        and exact.shape == file[ENERGIES].shape[:1]
    )


def _checked(path: Path, file: h5py.File) -> int:
    """Check the shapes; return the number of voxels."""
    for name in (ENERGIES, SHOWERS):
        if not isinstance(file.get(name), h5py.Dataset):
            held = ", ".join(list(file)[:5]) or "nothing"
            msg = (
                f"{path}: found no data set '{name}' (it holds {held}), expected {ENERGIES} "
                f"(n, 1) and {SHOWERS} (n, voxels); name the right format"
            )
            raise DataFormatError(msg)
        if file[name].dtype.kind not in "iuf" or file[name].ndim < 1:
            msg = f"{path}: '{name}' has type {file[name].dtype}, expected numbers; convert it"
            raise DataFormatError(msg)
    energies, showers = file[ENERGIES].shape, file[SHOWERS].shape
    if len(showers) < 2 or energies not in {showers[:1], (showers[0], 1)}:
        msg = (
            f"{path}: {ENERGIES} has shape {energies} and {SHOWERS} {showers}, expected (n, 1) "
            "and (n, voxels); give one row a shower"
        )
        raise DataFormatError(msg)
    return int(np.prod(showers[1:]))


def _detector(
    path: Path, file: h5py.File, n_cells: int, options: ReadOptions
) -> tuple[DetectorGeometry, int]:
    """Find detector and particle: as was said, else as the file says, else by its voxels."""
    published_name, published_pdg = _PUBLISHED.get(n_cells, (None, None))
    pdg = options.pdg
    stored = file.attrs.get("pdg")
    if isinstance(stored, np.integer | int):
        pdg = int(said(np.array([stored]), pdg, where=str(path))[0])
    if options.geometry is not None and options.geometry.lower().endswith(".xml"):
        geometry, in_xml = read_binning(options.geometry, pdg=options.pdg)
        pdg = in_xml if pdg is None else pdg
    elif options.geometry is not None:
        geometry = named_geometry(options.geometry)
    elif text := attribute(file, "geometry"):
        geometry = DetectorGeometry.from_json(text, source=f"{path} attribute geometry")
    elif published_name is not None:
        geometry = load_geometry(published_name)
    else:
        known = ", ".join(f"{n} ({name})" for n, (name, _) in _PUBLISHED.items())
        msg = (
            f"{path}: showers have {n_cells} voxels, expected {known}; name the geometry with "
            "--geometry binning.xml"
        )
        raise DataFormatError(msg)
    if n_cells != geometry.n_cells:
        msg = (
            f"{path}: showers have {n_cells} voxels, expected {geometry.n_cells} for "
            f"geometry '{geometry.name}'; name the geometry that made them"
        )
        raise DataFormatError(msg)
    if pdg is None:
        pdg = published_pdg
    if pdg is None:
        msg = f"{path}: does not say which particle it is of; say so with --pdg, e.g. --pdg 11"
        raise DataFormatError(msg)
    return geometry, pdg


def _unit(path: Path, file: h5py.File, name: str) -> str:
    """Read a data set's unit: MeV, unless it says otherwise."""
    text = attribute(file[name], "unit") or attribute(file[name], "units") or "MeV"
    if text not in _MEV:
        msg = f"{path}: '{name}' is in '{text}', expected one of {', '.join(_MEV)}; convert it"
        raise DataFormatError(msg)
    return text


def _provenance(file: h5py.File) -> Mapping[str, Any]:
    """Read what we wrote of the origin, if it is ours."""
    try:
        return dict(json.loads(attribute(file, "provenance") or "{}"))
    except (TypeError, ValueError):
        return {}


@contextmanager
def _write(
    path: Path, geometry: DetectorGeometry, options: WriteOptions
) -> Iterator[ShowerSink]:
    """Create a file of the challenge."""
    if not isinstance(geometry.layout, CylinderLayout) or geometry.unit not in _MEV:
        msg = (
            f"{path}: geometry '{geometry.name}' is a {geometry.kind} in {geometry.unit}, "
            "expected a cylinder of energies; write another format"
        )
        raise DataFormatError(msg)
    threads = Threads(None)
    with (
        new_file(path, force=options.force) as temporary,
        SafeFile(temporary, path) as safe,
        h5py.File(safe, "w") as file,
    ):
        try:
            chunks = ChunkWriter(file, threads, 1)
            chunks.create(ENERGIES, width=1, rows=_ENERGY_ROWS, dtype=np.float64, unit="MeV")
            chunks.create(EXACT, width=None, rows=_ENERGY_ROWS, dtype=np.float64, unit="GeV")
            rows = max(1, min(_ENERGY_ROWS, _CHUNK_BYTES // (4 * geometry.n_cells)))
            chunks.create(
                SHOWERS, width=geometry.n_cells, rows=rows, dtype=np.float32, unit="MeV"
            )
            file.attrs["geometry"] = geometry.to_json()
            cells = conversion("MeV", geometry.unit, where=str(path))
            sink = _Sink(path, file, chunks, safe, cells)
            yield sink
            chunks.finish()
            file.attrs["provenance"] = json.dumps(dict(options.provenance))
        finally:
            threads.close()


@dataclass(frozen=True)
class _Sink:
    """A file of the challenge being written."""

    path: Path
    file: h5py.File
    chunks: ChunkWriter
    safe: SafeFile
    cell_unit: Conversion

    def append(
        self,
        particles: Particles,
        showers: NDArray[Any],
        cpu_seconds: NDArray[np.float32] | None = None,  # noqa: ARG002 - has no place there
    ) -> None:
        """Write some showers, all of one kind, as the layout cannot tell kinds apart."""
        kinds = np.unique(particles["pdg"])
        first = int(self.file.attrs.get("pdg", kinds[0]))
        if len(kinds) > 1 or kinds[0] != first:
            names = ", ".join(sorted(set(particles.kinds().tolist())))
            msg = (
                f"{self.path}: found particles of several kinds ({names}, first pdg {first}), "
                "expected one, as the layout has no place for it; choose one with --kinds"
            )
            raise DataFormatError(msg)
        self.file.attrs["pdg"] = first
        cells = self.cell_unit.inverse().apply(np.asarray(showers, dtype=np.float32))
        exact = particles["energy_gev"]
        energies = _TO_GEV.inverse().apply(exact)[:, None]
        self.chunks.append({ENERGIES: energies, EXACT: exact, SHOWERS: cells})
        self.safe.check()


FORMAT = Format(
    name="calochallenge",
    title="HDF5 of the CaloChallenge, data sets 1 to 3 or with a binning XML",
    suffixes=(".hdf5",),
    recognise=_recognise,
    read=_read,
    write=_write,
    loses="position and direction of the particle, incident numbers, CPU times, other columns",
)
