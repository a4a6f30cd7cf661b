"""Geant4's run data: where they are, and whether they are the official ones."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from caloforge.errors import MissingExtraError, SimulationError

# Variable, official name and version for Geant4 11.4.1, the one in geant4-pybind 0.1.3, and
# whether the physics lists here read it.
DATA_SETS = {
    "G4LEDATA": ("G4EMLOW", "8.8", True),
    "G4LEVELGAMMADATA": ("PhotonEvaporation", "6.1.2", True),
    "G4PARTICLEXSDATA": ("G4PARTICLEXS", "4.2", True),
    "G4ENSDFSTATEDATA": ("G4ENSDFSTATE", "3.0", True),
    "G4SAIDXSDATA": ("G4SAIDDATA", "2.0", False),
    "G4NEUTRONHPDATA": ("G4NDL", "4.7.1", False),
    "G4RADIOACTIVEDATA": ("RadioactiveDecay", "6.1.2", False),
    "G4PIIDATA": ("G4PII", "1.3", False),
    "G4REALSURFACEDATA": ("RealSurface", "2.2", False),
    "G4ABLADATA": ("G4ABLA", "3.3", False),
    "G4INCLDATA": ("G4INCL", "1.3", False),
    "G4CHANNELINGDATA": ("G4CHANNELING", "2.0", False),
}
CURE = (
    "run `caloforge simulate --fetch-data` (2 GB), or set GEANT4_DATA_DIR to the folder that "
    "holds them, or each variable to its folder"
)


@dataclass(frozen=True)
class DataSet:
    """One of Geant4's data sets on this machine.

    Attributes:
        variable: Environment variable that Geant4 reads, e.g. ``"G4LEDATA"``.
        official: Name with version that this Geant4 was released with.
        path: Folder in use, ``None`` if there is none.
        needed: Whether the physics lists here read it.
    """

    variable: str
    official: str
    path: Path | None
    needed: bool

    @property
    def is_official(self) -> bool:
        """Whether the folder in use has the official name and version, and is not empty."""
        path = self.path
        return path is not None and path.name == self.official and any(path.iterdir())


def find_data_sets() -> tuple[DataSet, ...]:
    """Return the data sets, looked for where Geant4 and geant4-pybind look.

    That is: the variable of the set; then a folder of the official name in ``GEANT4_DATA_DIR``;
    then in ``~/.geant4_pybind``, where geant4-pybind puts what it downloads.
    """
    found = []
    for variable, (name, version, needed) in DATA_SETS.items():
        official = name + version
        places = [Path(os.environ[variable])] if os.environ.get(variable) else []
        if os.environ.get("GEANT4_DATA_DIR"):
            places.append(Path(os.environ["GEANT4_DATA_DIR"]) / official)
        places.append(_downloads() / official)
        path = next((place for place in places if place.is_dir()), None)
        found.append(DataSet(variable, official, path, needed))
    return tuple(found)


def use_data_sets() -> tuple[DataSet, ...]:
    """Point Geant4 at its data, before it is imported; never asks, never downloads.

    Raises:
        MissingExtraError: If geant4-pybind is not installed, or data that are needed are
            missing.
    """
    check_installed()
    data_sets = find_data_sets()
    missing = [d for d in data_sets if d.needed and d.path is None]
    if missing:
        names = ", ".join(f"{d.official} ({d.variable})" for d in missing)
        msg = f"Geant4 data: found no {names}; {CURE}"
        raise MissingExtraError(msg)
    for data_set in data_sets:
        if data_set.path is not None:
            os.environ[data_set.variable] = str(data_set.path)
    # geant4-pybind asks on the terminal for a download unless this is set.
    needed = next(d.path for d in data_sets if d.path is not None)
    os.environ.setdefault("GEANT4_DATA_DIR", str(needed.parent))
    return data_sets


def check_installed() -> str:
    """Return the version of geant4-pybind.

    Raises:
        MissingExtraError: If it is not installed.
    """
    try:
        return metadata.version("geant4-pybind")
    except metadata.PackageNotFoundError as error:
        msg = "geant4-pybind is not installed; pip install 'caloforge[sim]'"
        raise MissingExtraError(msg) from error


def describe(data_sets: tuple[DataSet, ...]) -> dict[str, str]:
    """Say of each data set in use whether it is the official one, for a file's provenance.

    Folders are named without their path: the same showers made elsewhere say the same.
    """
    said = {}
    for data_set in data_sets:
        if data_set.path is None:
            text = "none"
        elif data_set.is_official:
            text = "official"
        elif not any(path for path in data_set.path.iterdir() if path.name != ".keep"):
            text = f"substituted: '{data_set.path.name}' is empty"
        else:
            text = f"substituted: '{data_set.path.name}' instead of the official set"
        said[data_set.official] = text
    return said


def fetch_data() -> Path:
    """Download the official data sets with geant4-pybind's own downloader.

    Returns:
        Folder that holds them.

    Raises:
        MissingExtraError: If geant4-pybind is not installed.
        SimulationError: If the download fails, e.g. without internet.
    """
    check_installed()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "GEANT4_DATA_DIR" and name not in DATA_SETS
    }
    # geant4-pybind downloads when it is imported, and with CI=true it does not ask.
    done = subprocess.run(
        [sys.executable, "-c", "import geant4_pybind"],
        env={**environment, "CI": "true"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    folder = _downloads()
    missing = [
        name + version
        for name, version, _ in DATA_SETS.values()
        if not (folder / (name + version)).is_dir()
    ]
    if done.returncode != 0 or missing:
        last = (done.stderr or "").strip().splitlines()[-1:] or ["no reason given"]
        what = f"{len(missing)} of {len(DATA_SETS)} data sets are missing"
        msg = f"Geant4 data: the download to {folder} failed ({last[0]}), {what}; try again"
        raise SimulationError(msg)
    return folder


def _downloads() -> Path:
    """Folder that geant4-pybind downloads to."""
    return Path.home() / ".geant4_pybind"
