"""Impact point from the towers: the formula, and biases, widths and scales that were put in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.data import Particles, ShowerSample
from caloforge.geometry import load_geometry
from caloforge.metrics.figures import Finding
from caloforge.metrics.physics.impact import centroid, impact_points
from caloforge.metrics.physics.towers import find_readout
from caloforge.metrics.samples.making import make_trial
from caloforge.metrics.samples.trial import REFERENCE
from caloforge.metrics.settings import Settings

QUICK = Settings(n_bootstrap=30, n_draws=2)


def sample(
    name: str = "zn",
    *,
    seed: int = 0,
    scale: float = 1.0,
    shift: float = 0.0,
    width: float = 0.2,
    n: int = 300,
    repeats: int = 4,
) -> ShowerSample:
    """Showers whose centroid (alpha 1/2) is ``scale * x + shift`` with a Gaussian error in cm.

    Root signals of the towers are products of linear weights along x and y, so that the formula
    gives back exactly what was put in.
    """
    geometry = load_geometry(name)
    readout = find_readout(geometry)
    cells = [int(np.flatnonzero(m)[0]) for m in readout.channels.masks[list(readout.order)]]
    point = np.random.default_rng(0).uniform(-1, 1, (n, 2)).repeat(repeats, axis=0)
    rng = np.random.default_rng([seed, 1])
    seen = scale * point + shift + width * rng.standard_normal(point.shape)
    centres = readout.centres_cm
    if name == "zn":
        sides = 1 + seen[:, None] * centres / 1.76**2
        weights = np.clip(sides, 0, None).prod(axis=2)
    else:  # two slices of the middle share the light
        weights = np.zeros((len(seen), 4))
        weights[:, 1:3] = np.clip(1 + seen[:, :1] * centres[1:3, 0] / 2.8**2, 0, None)
    showers = np.zeros((n * repeats, geometry.n_cells), dtype=np.uint16)
    showers[:, cells[:4]] = np.round(10_000 * weights**2)
    columns = {
        "pdg": np.full(n * repeats, 2112),
        "energy_gev": np.random.default_rng(3).uniform(20, 900, n).repeat(repeats),
        "x_cm": point[:, 0],
        "y_cm": point[:, 1],
        "mass_mev": np.full(n * repeats, 939.6),
    }
    columns["pz_gev"] = -np.sqrt(columns["energy_gev"] ** 2 - 0.9396**2)
    columns |= dict.fromkeys(("z_cm", "px_gev", "py_gev", "charge_e"), np.zeros(n * repeats))
    incident = np.repeat(np.arange(n), repeats)
    return ShowerSample(Particles(columns, incident), showers, geometry, None, {}, "toy")


def run(*samples: ShowerSample) -> Finding:
    named = {f"g{k}": s for k, s in enumerate(samples[1:])}
    trial = make_trial(samples[0], named, rng=np.random.default_rng(1))
    return impact_points(trial, QUICK, np.random.default_rng(2))


def find(finding: Finding, metric: str, target: str, sample: str = "g0"):
    (found,) = (
        f for f in finding.figures if (f.metric, f.target, f.sample) == (metric, target, sample)
    )
    return found


def test_formula_is_that_of_alice() -> None:
    # Written out from RecEventFlat::centroidZNA and AliESDZDC::GetZNCentroidInPbPb.
    energies = np.array([[10.0, 40.0, 0.0, 90.0], [5.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    x = np.array([-1.75, 1.75, -1.75, 1.75])
    for alpha in (0.5, 0.395):
        w = [e**alpha for e in (10.0, 40.0, 90.0)]
        expected = 1.75 * (-w[0] + w[1] + w[2]) / sum(w)
        found = centroid(energies, x, alpha)
        np.testing.assert_allclose(found, [expected, -1.75, np.nan])
    assert centroid(np.array([[-3.0, 4.0, 0, 0]]), x, 0.5).tolist() == [1.75]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0, 1e4), min_size=4, max_size=4).filter(lambda e: max(e) > 1e-3),
    st.floats(0.1, 1e3),
    st.sampled_from([0.395, 0.5, 1.0]),
)
def test_formula_is_within_the_towers_and_knows_no_scale(energies, factor, alpha) -> None:
    towers, x = np.array([energies]), np.array([-1.75, 1.75, -1.75, 1.75])
    found = centroid(towers, x, alpha)
    assert abs(found[0]) <= 1.75 * (1 + 1e-12)
    np.testing.assert_allclose(centroid(factor * towers, x, alpha), found, atol=1e-9)
    np.testing.assert_allclose(centroid(towers, -x, alpha), -found, atol=1e-12)


def test_finds_what_was_put_in() -> None:
    same = sample(seed=2)
    moved = sample(seed=3, shift=0.1)
    wide = sample(seed=4, width=0.26)
    narrow = sample(seed=5, scale=0.8)
    finding = run(sample(seed=1), same, moved, wide, narrow)
    put_in = {
        "g0": (0, 0, 0),
        "g1": (0.1, 0, 0),
        "g2": (0, 0.3, 0),
        "g3": (0, None, -0.2),
    }
    for name, values in put_in.items():
        for metric, expected in zip(
            ("impact_bias", "impact_resolution", "impact_slope"), values, strict=True
        ):
            for target in "xy":
                figure = find(finding, metric, target, name)
                if expected is not None:
                    assert abs(figure.value.value - expected) < 4.5 * figure.value.error
                assert abs(figure.floor.value) < 4.5 * figure.floor.error
    assert find(finding, "impact_bias", "x", "g0").passed(0.0)
    assert find(finding, "impact_slope", "x", "g3").passed(0.0) is False
    targets = {f.target for f in finding.figures}
    assert targets == {"x", "y", "x, alpha 0.395", "y, alpha 0.395"}


def test_curves_give_the_width_in_cm() -> None:
    finding = run(sample(seed=1), sample(seed=2))
    widths = [c for c in finding.curves if c.name == "impact_resolution"]
    assert {c.panel for c in widths} == {"x", "y"}
    assert {c.sample for c in widths} == {REFERENCE, "g0"}
    for curve in widths:
        assert curve.y == pytest.approx([0.2] * 5, rel=0.25)
    for curve in (c for c in finding.curves if c.name == "impact_point"):
        assert curve.y == pytest.approx(curve.x, abs=0.06)


def test_zp_has_x_only_and_showers_that_ignore_their_particle_have_no_slope() -> None:
    lost = sample("zp", seed=2, scale=0.0)
    finding = run(sample("zp", seed=1), lost)
    assert {f.target for f in finding.figures} == {"x", "x, alpha 0.395"}
    figure = find(finding, "impact_slope", "x")
    assert abs(figure.value.value + 1) < 4 * figure.value.error
    assert figure.passed(0.0) is False


def test_unmatched_tiny_and_dark(toy_cylinder, toy_sample) -> None:
    single = run(sample(seed=1, repeats=1), sample(seed=2, repeats=1))
    assert find(single, "impact_slope", "x").n == 150
    for n in (2, 10):
        assert run(sample(seed=1, n=n), sample(seed=2, n=n)).figures
    dark = sample(seed=1, n=10)
    dark.showers[:] = 0
    for pair in ((dark, sample(seed=2, n=10)), (sample(seed=2, n=10), dark), (dark, dark)):
        finding = run(*pair)
        assert all(f.tolerance is None or f.value is not None for f in finding.figures)
        assert all(len(c.x) == len(c.y) > 0 for c in finding.curves)
    toy = toy_sample(toy_cylinder, 10, repeats=4)
    assert run(toy, toy) == Finding()


def test_n_counts_showers_that_have_an_impact_point() -> None:
    full, good = sample(seed=1, n=40), sample(seed=2, n=40)
    full.showers[: 4 * 10] = 0
    for same in (full, good):
        same.particles.columns["x_cm"][4 * 15 : 4 * 20] = 2.0  # outside the towers' middles
    finding = run(full, good)
    assert {f.n for f in finding.figures if f.target.startswith("x")} == {2 * 25}
    assert {f.n for f in finding.figures if f.target.startswith("y")} == {2 * 30}
