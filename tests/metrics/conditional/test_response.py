"""Response and resolution by region: by hand, floor, power, small samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from caloforge.data import ShowerSample, load_sample
from caloforge.geometry import DetectorGeometry
from caloforge.metrics import Figure, Finding, make_trial
from caloforge.metrics.conditional.response import DEFINITIONS, response
from caloforge.metrics.settings import Settings
from caloforge.metrics.statistics.parts import energy_edges, parts

FEW = Settings(n_bootstrap=40, n_draws=4)


def run(reference: ShowerSample, generated: ShowerSample) -> Finding:
    rng = np.random.default_rng(0)
    return response(make_trial(reference, {"mine": generated}, rng=rng), FEW, rng)


def figures(found: Finding) -> dict[tuple[str, str], Figure]:
    return {(f.metric, f.target): f for f in found.figures}


@pytest.fixture(scope="module")
def zn_parts() -> tuple[ShowerSample, ShowerSample]:
    sample = load_sample("zn-test")
    repeat = np.arange(len(sample)) % 5
    return sample.select(repeat < 3), sample.select(repeat >= 3)


@pytest.mark.parametrize(
    ("energies", "edges"),
    [
        ([10.0, 999.0], [10, 20, 50, 100, 200, 500, 1000]),
        ([10.0, 1000.0], [10, 20, 50, 100, 200, 500, 1000, 2000]),
        ([0.3], [0.2, 0.5]),
        ([7.0], [5, 10]),
    ],
)
def test_edges_are_round_and_hold_all(energies: list[float], edges: list[float]) -> None:
    np.testing.assert_allclose(energy_edges(np.array(energies)), edges)


def test_parts_are_what_they_say(zn_parts: tuple[ShowerSample, ShowerSample]) -> None:
    trial = make_trial(*[zn_parts[0]], {"mine": zn_parts[1]}, rng=np.random.default_rng(0))
    found = {part.name: part for part in parts(trial.incoming)}
    assert found[""].inside.all()
    inside = found["n 100-200 GeV"].inside
    energy, kind = trial.incoming.energy_gev, trial.incoming.kind
    np.testing.assert_array_equal(inside, (kind == "n") & (energy >= 100) & (energy < 200))
    assert 100 < found["n 100-200 GeV"].energy_gev < 200
    rings = [part.inside for name, part in found.items() if name.endswith("cm")]
    quadrants = [part.inside for name, part in found.items() if name.endswith("y")]
    assert len(rings) == 3
    assert len(quadrants) == 4
    for group in (rings, quadrants):
        np.testing.assert_array_equal(np.sum(group, axis=0), 1)


def test_by_hand(toy_grid: DetectorGeometry, toy_sample) -> None:
    # Repeats with a response of 9 and 11 per 10 GeV against 18 and 24: all particles alike.
    sample = toy_sample(toy_grid, 12, repeats=4)
    particles = replace(
        sample.particles,
        columns={
            **{name: np.array(sample.particles[name]) for name in sample.particles.names},
            "energy_gev": np.full(48, 10.0),
        },
    )
    sides = []
    for low, high in ((9, 11), (18, 24)):
        showers = np.zeros((48, 24), dtype=np.uint16)
        showers[:, 5] = np.where(np.arange(48) // 4 % 2 == 0, low, high)
        sides.append(replace(sample, particles=particles, showers=showers))
    found = figures(run(*sides))
    mean, spread = found["response_ratio", ""], found["resolution_ratio", ""]
    assert mean.value is not None
    assert spread.value is not None
    assert mean.value.value == pytest.approx(2.1)
    assert spread.value.value == pytest.approx((3 / 21) / (1 / 10))
    assert mean.floor is not None
    assert mean.floor.value == pytest.approx(1)
    assert mean.n == 24


def test_floor_and_power(zn_parts: tuple[ShowerSample, ShowerSample]) -> None:
    reference, generated = zn_parts
    found = figures(run(reference, generated))
    pulls = [(f.value.value - 1) / f.value.error for f in found.values() if f.value is not None]
    assert np.abs(pulls).max() < 4
    assert 0.5 < np.std(pulls) < 1.5
    rng = np.random.default_rng(0)
    more = generated.showers + rng.binomial(generated.showers, 0.05)
    bright = figures(run(reference, replace(generated, showers=more)))["response_ratio", ""]
    assert bright.value is not None
    assert bright.value.value > 1 + 3 * bright.value.error
    order = np.repeat(2 * rng.permutation(440), 2) + np.tile([0, 1], 440)
    mixed = figures(run(reference, replace(generated, showers=generated.showers[order])))
    for target in ("all kinds 20-50 GeV", "all kinds 500-1000 GeV"):
        figure = mixed["response_ratio", target]
        assert figure.value is not None
        assert abs(figure.value.value - 1) > 3 * figure.value.error


def test_curves_have_a_line_for_each_sample_and_panel(
    zn_parts: tuple[ShowerSample, ShowerSample],
) -> None:
    curves = run(*zn_parts).curves
    assert {c.name for c in curves} == {"response_against_energy", "resolution_against_energy"}
    neutrons = [c for c in curves if c.panel == "n" and c.name == "response_against_energy"]
    assert [c.sample for c in neutrons] == ["full simulation", "floor", "mine"]
    for curve in neutrons:
        assert len(curve.x) == len(curve.y) == len(curve.error) >= 4
        assert all(0.4 < y < 0.9 for y in curve.y)  # ZDC.md: about 0.66 photons per GeV
        assert all(error > 0 for error in curve.error)


@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("n", [2, 25])
def test_small_samples(
    n: int, repeats: int, toy_grid: DetectorGeometry, toy_cylinder: DetectorGeometry, toy_sample
) -> None:
    for geometry in (toy_grid, toy_cylinder):
        sample = toy_sample(geometry, n, repeats=repeats)
        dark = replace(sample, showers=np.zeros_like(sample.showers))
        for a, b in ((sample, dark), (dark, sample)):
            found = figures(run(a, b))
            assert {metric for metric, _ in found} == {d.name for d in DEFINITIONS}
        assert found["response_ratio", ""].value is None  # no response to compare with
