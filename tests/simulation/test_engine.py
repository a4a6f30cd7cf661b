"""Real Geant4 showers, where geant4-pybind and run data are (seconds)."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caloforge.geometry import read_description
from caloforge.simulation.setup import Setup

MASS_MEV = {2112: 939.565, 22: 0.0, 11: 0.511, 13: 105.658, 211: 139.57, 3122: 1115.683}


def particle(
    pdg: int, energy: float, x: float = 0.05, y: float = 0.02, beam: int = -1, slope: float = 0
) -> dict[str, float]:
    mass = MASS_MEV.get(pdg, 0.0)
    momentum = np.sqrt(max(energy**2 - (mass / 1000) ** 2, 1e-12))
    return {
        "pdg": pdg,
        "energy_gev": energy,
        "x_cm": x,
        "y_cm": y,
        "z_cm": 0.0,
        "px_gev": momentum * slope,
        "py_gev": 0.0,
        "pz_gev": beam * momentum * np.sqrt(1 - slope**2),
        "mass_mev": mass,
        "charge_e": 0.0,
    }


def description(name: str, change: Callable[[dict[str, Any]], object] | None = None) -> Setup:
    table = copy.deepcopy(read_description(name)[0])
    if change is not None:
        change(table)
    return Setup(table, f"{name}.toml")


def probe(
    environment: dict[str, str],
    setup: Setup,
    particles: list[dict[str, float]],
    showers: list[tuple[int, int]],
    *,
    check: bool = False,
) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Simulate in a process of its own; cells of each shower, and the whole answer."""
    asked = {
        "setup": setup.as_dict(),
        "particles": particles,
        "showers": showers,
        "check": check,
    }
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "geant4_probe.py")],
        input=json.dumps(asked),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout)
    found = []
    for dtype, lit, values in answer["showers"]:
        cells = np.zeros(setup.geometry.n_cells, dtype=dtype)
        cells[lit] = values
        found.append(cells)
    return found, answer


@pytest.fixture(scope="module")
def mixed(geant4: dict[str, str]) -> tuple[list[dict[str, float]], list[np.ndarray], dict]:
    """Showers of every kind, in their order."""
    kinds = [(2112, 8.0), (22, 3.0), (11, 2.0), (211, 6.0), (3122, 7.0), (13, 5.0), (130, 6.0)]
    particles = [particle(pdg, energy) for pdg, energy in kinds]
    particles.append(particle(2112, 5.0, x=30.0))  # far beside the face
    showers = [(k, 1000 + k) for k in range(len(particles))] * 2
    found, answer = probe(geant4, description("zn"), particles, showers, check=True)
    return particles, found, answer


def test_equal_seeds_give_equal_showers_whatever_came_before(mixed: Any, geant4: Any) -> None:
    particles, found, _ = mixed
    n = len(particles)
    for k in range(n):
        np.testing.assert_array_equal(found[k], found[n + k])
    backwards = [(k, 1000 + k) for k in reversed(range(n))]
    again, _ = probe(geant4, description("zn"), particles, backwards)
    for k in range(n):
        np.testing.assert_array_equal(found[k], again[n - 1 - k])


def test_other_seeds_give_other_showers(geant4: Any) -> None:
    showers = [(0, seed) for seed in (0, 1, 2, 2 + 2**32, 2**64 - 1)]
    found, _ = probe(geant4, description("zn"), [particle(22, 5.0)], showers)
    assert len({cells.tobytes() for cells in found}) == 5


def test_showers_are_counts_near_where_the_particle_enters(mixed: Any) -> None:
    particles, found, _ = mixed
    grid = description("zn").geometry.layout
    for k, cells in enumerate(found[: len(particles) - 1]):
        assert cells.dtype == np.uint32
        if cells.sum() < 5:  # a muon, or a hadron that went through
            continue
        centre = (cells[:, None] * grid.centres_cm()).sum(axis=0) / cells.sum()
        assert np.hypot(*(centre - [0.05, 0.02])) < 1.0, particles[k]
    assert found[1].sum() > 0
    assert found[2].sum() > 0


def test_a_particle_that_misses_is_an_empty_response(mixed: Any) -> None:
    particles, found, _ = mixed
    assert not found[len(particles) - 1].any()


def test_description_says_what_was_used(mixed: Any, geant4: Any) -> None:
    said = mixed[2]["description"]
    assert said["program"] == "Geant4"
    assert said["geant4"].startswith("11.")
    assert said["cut_mm"] == 0.1
    assert "G4HadronPhysicsFTFP_BERT" in said["physics_constructors"]
    texts = said["data_sets"].values()
    needed = ("G4EMLOW", "PhotonEvaporation", "G4PARTICLEXS", "G4ENSDFSTATE")
    official = all(
        v == "official" for k, v in said["data_sets"].items() if k.startswith(needed)
    )
    assert said["official_data_sets"] == official
    # The same wherever it runs: no path of this machine.
    assert not any("/" in text for text in texts)
    assert mixed[2]["refused"] is None


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (particle(7, 10.0), "Geant4 cannot track pdg 7 .row 1."),
        (particle(21, 10.0), "Geant4 cannot track pdg 21 .row 1."),
        (particle(2224, 10.0), "Geant4 cannot track pdg 2224 .row 1."),
        (particle(1000822080, 10_000.0), "an ion heavier than helium"),
        (particle(2112, 2e5), "energy 200000 GeV .row 1, pdg 2112. is outside"),
        (particle(2112, 0.9396), "energy 0.9396 GeV .row 1, pdg 2112. is outside"),
        (particle(2112, 10.0, beam=1), "expected below 0: the particle flies away"),
    ],
)
def test_particles_that_geant4_cannot_do_are_refused(
    bad: dict[str, float], message: str, geant4: Any
) -> None:
    particles = [particle(22, 1.0), bad]
    _, answer = probe(geant4, description("zn"), particles, [], check=True)
    assert answer["refused"].startswith("DataFormatError: particles: ")
    assert re.search(message, answer["refused"]), answer["refused"]


def test_a_muon_along_an_open_fibre_gives_the_light_of_frank_and_tamm(geant4: Any) -> None:
    # With a numerical aperture equal to the index, all that flies forward is trapped: the cone
    # of a track along the fibre is, whole. 5 cm of fibre, cell (30, 10).
    def open_fibre(table: dict[str, Any]) -> None:
        table["construction"]["length_cm"] = 5.0
        table["construction"]["light"]["numerical_aperture"] = 1.458

    setup = description("zn", open_fibre)
    x, y = setup.geometry.layout.centres_cm()[30 * 44 + 10]
    found, _ = probe(
        geant4, setup, [particle(13, 100.0, x, y)], [(0, seed) for seed in range(40)]
    )
    light = setup.calorimeter.table.light
    expected = light.efficiency * light.photons_per_mm * 50 * (1 - 1.458**-2)
    in_cell = np.array([cells[30 * 44 + 10] for cells in found])
    error = np.sqrt(expected / 40)
    # Delta electrons, and photons that these lose from the cell, change it by a few per cent.
    assert abs(in_cell.mean() - expected) < 5 * error + 0.05 * expected
    assert in_cell.sum() > 0.9 * sum(cells.sum() for cells in found)


def test_orientation_axis_0_is_x_and_axis_1_is_y(geant4: Any) -> None:
    particles = [particle(22, 10.0, x=2.5, y=-1.5), particle(22, 10.0, x=-3.0, y=3.0)]
    found, _ = probe(geant4, description("zn"), particles, [(0, 1), (1, 2)])
    for cells, (i, j) in zip(found, [(37, 12), (3, 40)], strict=True):
        at = np.argwhere(cells.reshape(44, 44) > 0)
        assert np.abs(np.median(at, axis=0) - [i, j]).max() <= 2


def test_a_muon_leaves_the_same_in_every_layer_and_in_the_inner_ring(geant4: Any) -> None:
    setup = description("cylinder")
    found, _ = probe(
        geant4, setup, [particle(13, 20.0, beam=1)], [(0, seed) for seed in range(20)]
    )
    layers = np.stack(found).reshape(20, 45, 16, 9)
    assert found[0].dtype == np.float32
    # 2 x 0.3 mm of silicon: 3.88 MeV/cm at the minimum, 20 % more at 20 GeV at most.
    per_layer = np.median(layers.sum(axis=(2, 3)), axis=0)
    assert (per_layer > 0.1).all()
    assert 0.13 < np.median(per_layer) < 0.28
    assert layers[:, :3, :, 0].sum() > 0.8 * layers[:, :3].sum()


def test_no_sector_is_preferred_by_straight_tracks(geant4: Any) -> None:
    setup = description("cylinder")
    found, _ = probe(
        geant4, setup, [particle(13, 20.0, beam=1)], [(0, 10 + seed) for seed in range(160)]
    )
    first = np.stack(found).reshape(160, 45, 16, 9)[:, 0].sum(axis=2)
    # The sector with most energy in the first layer: 10 of 160 muons each on average.
    hits = np.bincount(first.argmax(axis=1), minlength=16)
    assert hits.max() < 28
    assert (hits > 0).sum() >= 13


def test_all_of_a_photon_stays_in_a_deep_block(geant4: Any) -> None:
    # A block of lead, all of it active, 60 cm deep: energy is kept, whatever the cells are.
    def block(table: dict[str, Any]) -> None:
        table["layers"] = [
            {"r_edges_mm": [0, 20, 150], "n_angles": 1, "repeat": 20},
            {"r_edges_mm": [0, 10, 50, 150], "n_angles": 4, "repeat": 10},
        ]
        lead = {"material": {"nist": "G4_Pb"}, "thickness_mm": 20.0, "active": True}
        table["construction"].update(slabs=[lead], repeats=1, radius_cm=15.0)

    setup = description("cylinder", block)
    particles = [particle(22, 1.0, beam=1), particle(11, 1.0, x=5.0, beam=1, slope=0.1)]
    showers = [(k % 2, k) for k in range(20)]
    found, _ = probe(geant4, setup, particles, showers)
    totals = np.array([cells.sum() for cells in found])
    assert (totals <= 1000.1).all()
    assert totals.mean() > 985
    # Irregular layers: the first 20 have two cells each, the others twelve.
    profile = [cells.sum() for cells in setup.geometry.layout.shaped(np.stack(found))]
    assert len(profile) == 30
    assert np.argmax(profile) <= 2
    assert profile[0] > 100 * profile[15]


def test_a_particle_beside_the_disc_is_an_empty_response(geant4: Any) -> None:
    found, _ = probe(
        geant4, description("cylinder"), [particle(22, 1.0, x=16, beam=1)], [(0, 1)]
    )
    assert not found[0].any()
