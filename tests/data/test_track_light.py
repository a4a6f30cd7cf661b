"""Light of single tracks, measured from repeated showers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caloforge.data import Particles
from caloforge.data.features import ConditionSet
from caloforge.data.track_light import (
    FEWEST_ELECTROMAGNETIC,
    FEWEST_PAIRS,
    RADIUS,
    TrackLight,
    expected_pairs,
    steps,
)
from caloforge.data.transforms import CellFrame
from caloforge.errors import ConfigError
from caloforge.geometry import DetectorGeometry, GridLayout
from caloforge.nn import draw_tracks
from caloforge.types import CellLaw

LAGS = [(0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2), (0, 3)]


def incident(n: int) -> Particles:
    names = ("energy_gev", "x_cm", "y_cm", "z_cm", "px_gev", "py_gev", "pz_gev")
    columns = {name: np.zeros(n) for name in (*names, "mass_mev", "charge_e")}
    columns |= {"energy_gev": np.full(n, 100.0), "pdg": np.full(n, 2112)}
    return Particles(columns, np.arange(n))


def grid(n: int) -> DetectorGeometry:
    return DetectorGeometry(
        name="squares", title="", layout=GridLayout((n, n)), unit="photons", counts=True
    )


@pytest.mark.parametrize("reach", [0.5, 1.2, 4.0])
def test_steps_are_near_and_all_ways_alike(reach) -> None:
    table, chances = steps(reach)
    assert chances.sum() == pytest.approx(1)
    distance = np.hypot(*table.T)
    assert distance.min() == 1
    assert distance.max() == RADIUS
    of = {tuple(step): chance for step, chance in zip(table.tolist(), chances, strict=True)}
    assert all(of[x, y] == of[-y, x] == of[y, x] for x, y in of)
    assert of[0, 2] / of[0, 1] == pytest.approx(np.exp(-1 / reach))


def test_companions_that_stay_are_in_the_same_cell() -> None:
    flat, everywhere = np.ones((30, 30)), np.ones((30, 30), dtype=bool)
    found = expected_pairs(TrackLight(1.5, 0.0, 1.0), flat, everywhere, LAGS)
    np.testing.assert_allclose(found, [1.5] + [0] * 6, atol=1e-12)


def test_companions_are_somewhere() -> None:
    # In the middle of an even light no step is refused: all that wander are found at a lag.
    light, flat = TrackLight(1.5, 0.6, 1.0), np.ones((40, 40))
    middle = np.zeros((40, 40), dtype=bool)
    middle[12:28, 12:28] = True
    lags = [(x, y) for x in range(9) for y in range(x, 9)]
    found = expected_pairs(light, flat, np.ones((40, 40), dtype=bool), lags)
    many = np.array(
        [
            len({(s * a, t * b) for a, b in ((x, y), (y, x)) for s in (1, -1) for t in (1, -1)})
            for x, y in lags
        ]
    )
    # Light is lost at the edges of the grid alone.
    assert (found * many).sum() == pytest.approx(1.5, rel=1e-9)
    assert expected_pairs(light, flat, middle, lags[:1])[0] == pytest.approx(
        1.5 * (0.4**2 + 0.36 * (steps(1.0)[1] ** 2).sum()), rel=0.02
    )


@pytest.mark.parametrize("fluctuation", [0.0, 0.3])
def test_what_was_drawn_is_found_again(fluctuation) -> None:
    """Particles differ in energy and width; showers of one also in how bright they are."""
    n, size = 1500, 24
    rng = torch.Generator().manual_seed(0)
    place = torch.arange(size) - size // 2
    radius = torch.hypot(place[:, None] + 0.3, place[None] - 0.2).ravel()
    width = 3 + 2 * torch.rand(n, 1, generator=rng)
    mean = 3.0 * (torch.rand(n, 1, generator=rng) + 0.5) * torch.exp(-radius / width)
    whole = 1 + fluctuation * torch.randn(2 * n, 1, generator=rng).clamp(-2, 2)
    cells = mean.repeat_interleave(2, dim=0) * whole
    true = TrackLight(1.1, 0.6, 1.3)
    law = CellLaw("tracks", 1 + true.companions, true.wander, true.reach)
    showers = draw_tracks(cells, law, (size, size), rng).numpy().astype(np.uint16)
    found = TrackLight.fit(CellFrame(grid(size)), incident(2 * n), showers)
    assert found.companions == pytest.approx(true.companions, abs=0.15)
    assert found.wander == pytest.approx(true.wander, abs=0.06)
    assert found.reach == pytest.approx(true.reach, abs=0.25)
    alone = TrackLight.fit(
        CellFrame(grid(size)),
        incident(2 * n),
        torch.poisson(cells, generator=rng).numpy().astype(np.uint16),
    )
    assert alone.companions < 0.1


def test_few_repeats_are_refused(toy_grid) -> None:
    n = 2 * FEWEST_PAIRS - 2
    showers = np.zeros((n, toy_grid.n_cells), dtype=np.uint16)
    with pytest.raises(ConfigError, match=f"found {FEWEST_PAIRS - 1} particles with"):
        TrackLight.fit(CellFrame(toy_grid), incident(n), showers)


def test_grids_of_counts_alone_have_tracks(toy_cylinder) -> None:
    with pytest.raises(ConfigError, match=r"'tracks' for geometry 'toy.*', expected a"):
        TrackLight.fit(
            CellFrame(toy_cylinder), incident(400), np.zeros((400, toy_cylinder.n_cells))
        )


def test_photons_and_electrons_are_measured_apart_where_kinds_are_known() -> None:
    n, size = FEWEST_PAIRS + FEWEST_ELECTROMAGNETIC + 100, 24
    rng = torch.Generator().manual_seed(0)
    place = torch.arange(size) - size // 2
    radius = torch.hypot(place[:, None] + 0.3, place[None] - 0.2).ravel()
    cells = (6.0 * torch.exp(-radius / 4)).expand(2 * n, -1)
    electromagnetic = np.repeat(np.arange(n) < FEWEST_ELECTROMAGNETIC, 2)
    law = CellLaw("tracks", 2.3, 0.6, 1.2)
    showers = draw_tracks(cells, law, (size, size), rng)
    showers[electromagnetic] = torch.poisson(cells[electromagnetic], generator=rng)
    pdg = np.where(electromagnetic, np.resize([22, 11, -11], 2 * n), 2112)
    particles = incident(2 * n).exchanged({"pdg": pdg})
    frame = CellFrame(grid(size))
    arguments = frame, particles, showers.numpy().astype(np.uint16)
    kinds = ConditionSet.fit(("log_energy", "kind"), particles, frame.geometry)
    found = TrackLight.by_family(*arguments, kinds)
    assert found.companions == pytest.approx(1.3, abs=0.25)
    assert found.electromagnetic.companions < 0.2
    # Codes in order: -11, 11, 22, 2112; after the energy.
    assert found.columns == (1, 2, 3)
    families = ConditionSet.fit(("family",), particles, frame.geometry)
    assert TrackLight.by_family(*arguments, families).columns == (0, 1)
    silent = ConditionSet.fit(("log_energy",), particles, frame.geometry)
    one = TrackLight.by_family(*arguments, silent)
    assert (one.electromagnetic, one.columns) == (None, ())
    assert one == TrackLight.fit(*arguments)


def test_few_photons_and_electrons_share_the_law_of_all() -> None:
    n, size = FEWEST_PAIRS + FEWEST_ELECTROMAGNETIC - 1, 12
    showers = np.random.default_rng(0).poisson(1.0, (2 * n, size * size)).astype(np.uint16)
    pdg = np.where(np.repeat(np.arange(n) < FEWEST_ELECTROMAGNETIC - 1, 2), 22, 2112)
    particles, frame = incident(2 * n).exchanged({"pdg": pdg}), CellFrame(grid(size))
    kinds = ConditionSet.fit(("kind",), particles, frame.geometry)
    found = TrackLight.by_family(frame, particles, showers, kinds)
    assert found == TrackLight.fit(frame, particles, showers)
