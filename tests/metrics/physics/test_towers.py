"""Sharing between towers and the common channel, with known shares."""

from __future__ import annotations

import numpy as np
import pytest

from caloforge.data import Particles, ShowerSample, load_sample
from caloforge.geometry import load_geometry
from caloforge.metrics.figures import Finding
from caloforge.metrics.physics.towers import energy_sharing, find_readout, shares
from caloforge.metrics.samples.making import make_trial
from caloforge.metrics.samples.trial import Trial
from caloforge.metrics.settings import Settings

QUICK = Settings(n_bootstrap=30, n_draws=2)
CORNERS = np.array([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])


def sample(
    name: str = "zn", *, seed: int = 0, common: float = 0.5, own: float = 0.7, n: int = 80
) -> ShowerSample:
    """Four showers a particle, 200 photons, in one cell of each tower and of the common one."""
    geometry = load_geometry(name)
    masks = geometry.channels("detector").masks
    cells = [int(np.flatnonzero(mask)[0]) for mask in masks]
    rng = np.random.default_rng(seed)
    incident = np.repeat(np.arange(n), 4)
    hit = incident % 4
    chances = np.full((4 * n, 4), (1 - own) / 3)
    chances[np.arange(4 * n), hit] = own
    shared = rng.binomial(200, common, 4 * n)
    showers = np.zeros((4 * n, geometry.n_cells), dtype=np.uint16)
    showers[:, cells[:4]] = rng.multinomial(200 - shared, chances)
    showers[:, cells[4]] = shared
    points = find_readout(geometry).centres_cm[hit]
    columns = {
        "pdg": np.full(4 * n, 2112),
        "energy_gev": 100.0 + incident,
        "x_cm": points[:, 0],
        "y_cm": points[:, 1],
        "mass_mev": np.full(4 * n, 939.6),
    }
    columns["pz_gev"] = -np.sqrt(columns["energy_gev"] ** 2 - 0.9396**2)
    columns |= dict.fromkeys(("z_cm", "px_gev", "py_gev", "charge_e"), np.zeros(4 * n))
    return ShowerSample(Particles(columns, incident), showers, geometry, None, {}, "toy")


def trial_of(*samples: ShowerSample) -> Trial:
    named = {f"g{k}": s for k, s in enumerate(samples[1:])}
    return make_trial(samples[0], named, rng=np.random.default_rng(1))


def run(trial: Trial) -> Finding:
    return energy_sharing(trial, QUICK, np.random.default_rng(2))


def find(finding: Finding, metric: str, target: str, sample: str = "g0"):
    (found,) = (
        f for f in finding.figures if (f.metric, f.target, f.sample) == (metric, target, sample)
    )
    return found


@pytest.mark.parametrize("name", ["zn", "zp"])
def test_finds_other_shares(name) -> None:
    same, other = sample(name, seed=2), sample(name, seed=3, common=0.4, own=0.5)
    finding = run(trial_of(sample(name, seed=1), same, other))
    for sample_name, common, own in (("g0", 0.0, 0.0), ("g1", -0.1, -0.2)):
        figure = find(finding, "common_share", "common", sample_name)
        assert abs(figure.value.value - common) < 4 * figure.value.error
        assert figure.passed(0.0) is (common == 0)
        for tower in ("tower 1", "tower 2", "tower 3", "tower 4"):
            figure = find(finding, "tower_share", tower, sample_name)
            assert abs(figure.value.value - own) < 5 * figure.value.error
            assert abs(figure.floor.value) < 5 * figure.floor.error
    curves = {(c.panel, c.sample): c for c in finding.curves if c.name == "tower_share"}
    assert curves["impact in tower 2", "g1"].y == pytest.approx(
        (1 / 6, 0.5, 1 / 6, 1 / 6), abs=0.03
    )


def test_spread_of_the_common_share_is_that_of_coins() -> None:
    finding = run(trial_of(sample(seed=1), sample(seed=2)))
    figure = find(finding, "common_share_spread", "common")
    assert abs(figure.value.value) < 4 * figure.value.error
    steps = [c for c in finding.curves if c.name == "common_share"]
    edges, density = np.array(steps[0].x), np.array(steps[0].y)
    assert len(edges) == len(density) + 1
    assert density @ np.diff(edges) == pytest.approx(1)
    middle = (edges[1:] + edges[:-1]) / 2
    spread = np.sqrt(density @ (middle - 0.5) ** 2 * np.diff(edges)[0])
    assert spread == pytest.approx(np.hypot(0.5 / np.sqrt(200), 0.04 / np.sqrt(12)), rel=0.15)


def test_centres_are_the_middles_of_quadrants_and_slices() -> None:
    zn, zp = (find_readout(load_geometry(name)) for name in ("zn", "zp"))
    np.testing.assert_allclose(zn.centres_cm, 1.76 * CORNERS, atol=1e-9)
    # O2's ZP centres, 2.8, 8.4, 14 and 19.6 cm from one edge of 22.4 cm.
    np.testing.assert_allclose(zp.centres_cm[:, 0], np.array([2.8, 8.4, 14, 19.6]) - 11.2)
    np.testing.assert_allclose(zp.centres_cm[:, 1], 0, atol=1e-9)
    assert zn.entered(CORNERS).tolist() == [0, 1, 2, 3]


def test_sums_do_not_depend_on_the_convention_of_the_trial() -> None:
    zn = load_sample("zn-test")
    tables = []
    for convention in ("literature", "detector"):
        trial = make_trial(zn, {"g": zn}, rng=np.random.default_rng(0), convention=convention)
        readout = find_readout(trial.geometry)
        tables.append(readout.sums(trial.reference, trial.channels.convention))
    np.testing.assert_array_equal(*tables)
    np.testing.assert_array_equal(tables[0].sum(axis=1), zn.showers.sum(axis=1, dtype=float))


def test_faint_showers_have_no_shares() -> None:
    sums = np.array([[2.0, 1, 1, 0, 5], [4, 2, 2, 0, 8], [0, 0, 0, 0, 20], [0, 0, 0, 0, 0]])
    found = shares(sums, np.zeros(4, dtype=int), 10.0)
    assert np.isnan(found[[0, 3], :5]).all()
    np.testing.assert_allclose(found[1], [0.5, 0.5, 0.25, 0.25, 0, 0])
    assert found[2, 0] == 1
    assert np.isnan(found[2, 1:5]).all()


def test_no_towers_no_figures_and_dark_showers_no_crash(toy_grid, toy_cylinder, toy_sample):
    for geometry in (toy_grid, toy_cylinder):
        toy = toy_sample(geometry, 10, repeats=4)
        assert run(trial_of(toy, toy)) == Finding()
    dark = sample(seed=1, n=8)
    dark.showers[:] = 0
    finding = run(trial_of(dark, dark))
    assert all(f.value is None and f.tolerance is None for f in finding.figures)


def test_n_counts_showers_that_have_shares() -> None:
    full, good = sample(seed=1), sample(seed=2)
    full.showers[:16] = 0  # four particles, one in each tower
    finding = run(trial_of(full, good))
    assert find(finding, "common_share", "common").n == 2 * 76
    assert {f.n for f in finding.figures if f.metric == "tower_share"} == {2 * 19}
