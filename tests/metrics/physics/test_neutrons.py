"""Events of several neutrons against closed forms and thrown events."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from caloforge.data import Particles, ShowerSample, load_sample
from caloforge.metrics.figures import Finding
from caloforge.metrics.physics.neutron_sums import NUMBERS, Grid, convolved, select
from caloforge.metrics.physics.neutrons import several_neutrons
from caloforge.metrics.samples.making import make_trial
from caloforge.metrics.samples.trial import REFERENCE, Trial
from caloforge.metrics.settings import Settings

QUICK = Settings(n_bootstrap=20, n_draws=2)


def sample(
    geometry,
    seed: int,
    *,
    mean: float = 60.0,
    spread: float = 12.0,
    n: int = 250,
    repeats: int = 4,
    energy: float = 100.0,
    pdg: int = 2112,
) -> ShowerSample:
    """Neutrons of one energy with Gaussian responses, shared by the cells."""
    rng = np.random.default_rng(seed)
    total = np.maximum(rng.normal(mean, spread, n * repeats), 0)
    counts = geometry.counts
    cells = geometry.n_cells
    showers = np.zeros((n * repeats, cells), dtype=np.uint16 if counts else np.float32)
    showers[:, 0] = np.round(total) if counts else total
    columns = {
        "pdg": np.full(n * repeats, pdg),
        "energy_gev": np.full(n * repeats, energy),
        "x_cm": np.random.default_rng(0).normal(0, 0.5, n).repeat(repeats),
        "mass_mev": np.full(n * repeats, 939.6),
        "pz_gev": np.full(n * repeats, -np.sqrt(energy**2 - 0.9396**2)),
    }
    zero = np.zeros(n * repeats)
    columns |= dict.fromkeys(("y_cm", "z_cm", "px_gev", "py_gev", "charge_e"), zero)
    incident = np.repeat(np.arange(n), repeats)
    return ShowerSample(Particles(columns, incident), showers, geometry, None, {}, "toy")


def trial_of(*samples: ShowerSample) -> Trial:
    named = {f"g{k}": s for k, s in enumerate(samples[1:])}
    return make_trial(samples[0], named, rng=np.random.default_rng(1))


def run(*samples: ShowerSample) -> Finding:
    return several_neutrons(trial_of(*samples), QUICK, np.random.default_rng(2))


def find(finding: Finding, metric: str, target: str, sample: str = "g0"):
    (found,) = (
        f for f in finding.figures if (f.metric, f.target, f.sample) == (metric, target, sample)
    )
    return found


def curve(finding: Finding, name: str, sample: str, panel: str = ""):
    (found,) = (
        c for c in finding.curves if (c.name, c.panel, c.sample) == (name, panel, sample)
    )
    return found


def test_convolution_of_poisson_is_poisson() -> None:
    several = convolved(stats.poisson.pmf(np.arange(60), 7.0))
    for row, n in zip(several, NUMBERS, strict=True):
        expected = stats.poisson.pmf(np.arange(row.size), 7.0 * n)
        np.testing.assert_allclose(row, expected, atol=1e-14)


def test_reads_as_thrown_events_do(toy_grid) -> None:
    finding = run(sample(toy_grid, 1), sample(toy_grid, 2))
    rng = np.random.default_rng(3)
    one = np.maximum(np.round(rng.normal(60, 12, 200_000)), 0)
    off = np.floor(rng.choice(one, (200_000, 5)).sum(axis=1) / 60 + 0.5) - 5
    at = NUMBERS.index(5)
    for panel, expected in (
        ("RMS error", np.sqrt(np.mean(off**2))),
        ("counted right", np.mean(off == 0)),
    ):
        shown = curve(finding, "neutron_number", REFERENCE, panel)
        assert abs(shown.y[at] - expected) < 4 * shown.error[at]
    # Gaussian peaks: mu / (sigma (sqrt(N) + sqrt(N + 1)) / 2).
    n = np.arange(1, 6)
    expected = 5 / ((np.sqrt(n) + np.sqrt(n + 1)) / 2)
    shown = curve(finding, "neutron_separation", REFERENCE)
    assert np.array(shown.y) == pytest.approx(expected, rel=0.06)
    spectrum = curve(finding, "neutron_spectrum", REFERENCE)
    assert np.array(spectrum.y) @ np.diff(spectrum.x) == pytest.approx(1, abs=1e-6)


def test_finds_what_was_put_in(toy_grid) -> None:
    same, bright, wide = (
        sample(toy_grid, 2),
        sample(toy_grid, 3, mean=66.0, spread=13.2),
        sample(toy_grid, 4, spread=16.0),
    )
    finding = run(sample(toy_grid, 1), same, bright, wide)
    expected = {
        "g0": (0.0, 0.0),
        "g1": (0.1, 0.0),
        "g2": (0.0, 12 / 16 - 1),
    }
    for name, (scale, separation) in expected.items():
        for metric, target, value in (
            ("neutron_scale", "photon sum", scale),
            ("neutron_separation", "1 and 2", separation),
            ("neutron_separation", "5 and 6", separation),
        ):
            figure = find(finding, metric, target, name)
            assert abs(figure.value.value - value) < 4 * figure.value.error
            assert abs(figure.floor.value) < 4 * figure.floor.error
    assert find(finding, "neutron_scale", "photon sum").n == 500
    assert find(finding, "neutron_scale", "photon sum", "g0").passed(0.0) is not False
    assert find(finding, "neutron_scale", "photon sum", "g1").passed(0.0) is False
    # 10 % too bright: three neutrons too many of thirty.
    shown = curve(finding, "neutron_number", "g1", "mean error")
    assert shown.y[-1] == pytest.approx(3, abs=4 * shown.error[-1])
    assert find(finding, "neutron_right", "30", "g1").value.value < -0.1
    assert find(finding, "neutron_rms", "30", "g2").value.value > 0


def test_channels_have_a_scale_of_their_own(toy_cylinder) -> None:
    finding = run(sample(toy_cylinder, 1), sample(toy_cylinder, 2, mean=54.0))
    trial = trial_of(sample(toy_cylinder, 1), sample(toy_cylinder, 2))
    lit = trial.channels.names[0]
    figure = find(finding, "neutron_scale", lit)
    assert abs(figure.value.value + 0.1) < 4 * figure.value.error
    assert find(finding, "neutron_scale", trial.channels.names[1]).value is None


def test_says_what_it_needs(toy_grid) -> None:
    few = run(sample(toy_grid, 1, n=40), sample(toy_grid, 2, n=40))
    (figure,) = few.figures
    assert (figure.value, figure.n, figure.tolerance) == (None, 80, None)
    assert "needs 100 showers of neutrons within 10% of one energy" in figure.note
    assert not few.curves
    other = run(sample(toy_grid, 1, pdg=22), sample(toy_grid, 2, pdg=22))
    assert other == Finding()
    zn = load_sample("zn-test")
    assert len(run(zn, zn).figures) == 1


def test_window_is_the_one_with_most_neutrons(toy_grid) -> None:
    trial = trial_of(sample(toy_grid, 1), sample(toy_grid, 2))
    energy = trial.incoming.energy_gev
    energy[:] = np.geomspace(10, 1000, energy.size)
    energy[100:160] = np.linspace(95, 105, 60)
    found = select(trial.incoming, 2, matched=True)
    inside = np.abs(energy / found.energy_gev - 1) <= 0.1
    assert found.particles.tolist() == inside.tolist()
    assert found.n == 2 * inside.sum() >= 120
    assert select(trial.incoming, 1, matched=False).n == inside.sum() // 2


def test_grid_is_of_single_counts_while_they_are_few() -> None:
    assert Grid.of(98, 57, counts=True)[:2] == (1.0, 393)
    assert Grid.of(1000, 600, counts=True)[:2] == (4.0, 1001)
    assert Grid.of(2.0, 1.0, counts=False)[:2] == (2 / 256, 1025)


def test_dark_and_unmatched(toy_grid) -> None:
    dark = sample(toy_grid, 1, mean=0.0, spread=0.0)
    light = sample(toy_grid, 2)
    for pair in ((dark, dark), (dark, light)):
        finding = run(*pair)
        assert all(f.value is None for f in finding.figures)
        assert not finding.curves
    assert find(run(light, dark), "neutron_scale", "photon sum").value.value == -1
    single = [sample(toy_grid, k, n=400, repeats=1) for k in (3, 4)]
    assert find(run(*single), "neutron_scale", "photon sum").n == 200


@pytest.mark.parametrize("detector", ["toy_grid", "toy_cylinder"])
def test_an_odd_shower_of_one_sample_leaves_the_figures_of_others_alone(
    request, detector
) -> None:
    geometry = request.getfixturevalue(detector)
    full, good, odd = (sample(geometry, seed) for seed in (1, 2, 3))
    before = run(full, good, odd)
    odd.showers[0, 0] = 60_000
    after = run(full, good, odd)
    for one, other in zip(before.figures, after.figures, strict=True):
        assert other.floor == one.floor
        if one.sample == "g0":
            assert other.value == one.value
    # The odd sample's own separation is not destroyed either: the shower is clipped.
    separation = find(after, "neutron_separation", "1 and 2", "g1").value
    assert abs(separation.value) < 4 * separation.error


def test_an_odd_shower_of_full_simulation_does_not_coarsen_the_grid(toy_grid) -> None:
    full, good = sample(toy_grid, 1), sample(toy_grid, 2)
    full.showers[0, 0] = 60_000
    shown = curve(run(full, good), "neutron_spectrum", "g0")
    assert np.diff(shown.x).max() < 60 / 4
