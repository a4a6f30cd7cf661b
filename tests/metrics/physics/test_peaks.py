"""Single-particle peaks on toys with known peak, resolution and linearity."""

from __future__ import annotations

import numpy as np
import pytest

from caloforge.data import Particles, ShowerSample
from caloforge.geometry import DetectorGeometry
from caloforge.metrics.figures import Figure, Finding
from caloforge.metrics.physics.peaks import (
    DEFINITIONS,
    energy_bins,
    single_particles,
    slope_in_log_energy,
)
from caloforge.metrics.samples.making import make_trial
from caloforge.metrics.samples.trial import REFERENCE, Trial
from caloforge.metrics.settings import Settings

QUICK = Settings(n_bootstrap=30, n_draws=8)


def sample(
    geometry: DetectorGeometry,
    seed: int,
    *,
    n: int = 300,
    repeats: int = 4,
    scale: float = 1.0,
    spread: float = 0.2,
    power: float = 0.0,
    pdg: int = 2112,
) -> ShowerSample:
    """Showers whose response is Gaussian around ``40 scale E (E / 100)^power``."""
    energy = np.random.default_rng(0).uniform(np.log(20), np.log(1000), n)
    energy = np.repeat(np.exp(energy), repeats)
    rng = np.random.default_rng(seed)
    response = 40 * scale * energy * (energy / 100) ** power
    response *= 1 + spread * rng.standard_normal(n * repeats)
    showers = np.zeros((n * repeats, geometry.n_cells), dtype=np.int64)
    showers[:, 0] = np.maximum(response, 0)
    mass = 939.6
    columns = {
        "pdg": np.full(n * repeats, pdg),
        "energy_gev": energy,
        "pz_gev": -np.sqrt(energy**2 - (mass / 1000) ** 2),
        "mass_mev": np.full(n * repeats, mass),
    }
    zero = np.zeros(n * repeats)
    columns |= dict.fromkeys(("x_cm", "y_cm", "z_cm", "px_gev", "py_gev", "charge_e"), zero)
    return ShowerSample(
        particles=Particles(columns, np.repeat(np.arange(n), repeats)),
        showers=showers if geometry.counts else showers.astype(np.float32),
        geometry=geometry,
        cpu_seconds=None,
        provenance={},
        source="toy",
    )


def trial_of(reference: ShowerSample, *generated: ShowerSample) -> Trial:
    named = {f"g{k}": s for k, s in enumerate(generated)}
    return make_trial(reference, named, rng=np.random.default_rng(1))


def find(finding: Finding, metric: str, target: str = "n", sample: str = "g0") -> Figure:
    (found,) = (
        f for f in finding.figures if (f.metric, f.target, f.sample) == (metric, target, sample)
    )
    return found


def run(trial: Trial) -> Finding:
    return single_particles(trial, QUICK, np.random.default_rng(2))


@pytest.fixture(scope="module")
def finding(toy_grid) -> Finding:
    """Right, 10 % bright, 30 % wide, and with a response that rises as E^0.05."""
    good, bright, wide, rising = (
        sample(toy_grid, 10),
        sample(toy_grid, 11, scale=1.1),
        sample(toy_grid, 12, spread=0.26),
        sample(toy_grid, 13, power=0.05),
    )
    return run(trial_of(sample(toy_grid, 9), good, bright, wide, rising))


@pytest.mark.parametrize(
    ("name", "position", "resolution", "slope"),
    [("g0", 0, 0, 0), ("g1", 0.1, 0, 0), ("g2", 0, 0.3, 0), ("g3", None, None, 0.05)],
)
def test_finds_what_was_put_in(finding, name, position, resolution, slope) -> None:
    for metric, expected in (
        ("peak_position", position),
        ("peak_resolution", resolution),
        ("linearity", slope),
    ):
        figure = find(finding, metric, sample=name)
        if expected is not None:
            assert abs(figure.value.value - expected) < 4 * figure.value.error
        assert abs(figure.floor.value) < 4 * figure.floor.error
        assert 0 < figure.value.error < 0.1


def test_pass_and_fail_where_the_showers_suffice(finding) -> None:
    judged = {name: find(finding, "peak_position", sample=name) for name in ("g0", "g1")}
    assert {k: f.passed(0.0) for k, f in judged.items()} == {"g0": True, "g1": False}
    single = [f for f in finding.figures if f.metric == "peak_resolution" and "GeV" in f.target]
    assert single
    for figure in single:
        value, error = abs(figure.value.value), figure.value.error
        clear = error <= 0.1 / 3 or value >= 0.1 + 3 * error
        assert (figure.tolerance is not None) == clear
        assert ("too few showers" in figure.note) != clear


def test_size_is_that_of_either_side(finding) -> None:
    assert find(finding, "peak_position").n == 300 * 2
    bins = [f.n for f in finding.figures if f.metric == "linearity"]
    assert bins == [600] * 4


def test_curves_show_each_side(finding) -> None:
    names = {"peak_against_energy", "resolution_peak", "linearity"}
    assert {c.name for c in finding.curves} == names
    assert {c.sample for c in finding.curves} == {REFERENCE, "g0", "g1", "g2", "g3"}
    assert {c.panel for c in finding.curves} == {"n"}
    for curve in finding.curves:
        assert len(curve.x) == len(curve.y) == len(curve.error) == 6
    peaks = {c.sample: c for c in finding.curves if c.name == "peak_against_energy"}
    assert peaks[REFERENCE].y == pytest.approx([40] * 6, rel=0.06)
    lines = {c.sample: c for c in finding.curves if c.name == "linearity"}
    rise = np.array(lines["g3"].y)
    assert rise[0] < -0.05
    assert rise[-1] > 0.05
    assert sum(lines["g3"].y) == pytest.approx(0, abs=1e-9)


def test_cylinder_is_linear(toy_cylinder) -> None:
    finding = run(trial_of(sample(toy_cylinder, 1), sample(toy_cylinder, 2)))
    figure = find(finding, "linearity")
    assert abs(figure.value.value) < 4 * figure.value.error
    assert "MeV / GeV" in finding.curves[0].y_label


def test_unmatched_trial(toy_grid) -> None:
    trial = trial_of(sample(toy_grid, 1, repeats=1), sample(toy_grid, 2, repeats=1, scale=1.2))
    assert not trial.matched
    figure = find(run(trial), "peak_position")
    assert figure.n == 150
    assert abs(figure.value.value - 0.2) < 4 * figure.value.error


def test_tiny_and_empty_samples(toy_grid) -> None:
    small = sample(toy_grid, 1, n=20)
    assert run(trial_of(small, sample(toy_grid, 2, n=20))) == Finding()
    dark = sample(toy_grid, 3, n=60, scale=0)
    finding = run(trial_of(sample(toy_grid, 4, n=60), dark))
    assert find(finding, "peak_position").value.value == -1
    assert find(finding, "peak_resolution").value is None
    backwards = run(trial_of(dark, sample(toy_grid, 4, n=60)))
    assert all(f.value is None for f in backwards.figures)
    assert all(np.isfinite(c.y).all() and c.x for c in backwards.curves)


def test_bins_have_equal_shares_and_one_energy_is_one_bin(toy_grid) -> None:
    incoming = trial_of(sample(toy_grid, 1), sample(toy_grid, 2)).incoming
    bins, number = energy_bins(incoming, per_bin=25)
    assert np.bincount(number).tolist() == [50] * 6
    assert [b.low_gev < b.centre_gev < b.high_gev for b in bins] == [True] * 6
    assert energy_bins(incoming, per_bin=200)[0][0].label.startswith("n, 20")
    assert energy_bins(incoming, per_bin=301)[0] == []
    assert len(energy_bins(incoming, per_bin=25, max_bins=2)[0]) == 2
    incoming.energy_gev[:] = 100.0
    (only,), number = energy_bins(incoming, per_bin=25)
    assert only.label == "n, 100 GeV"
    assert set(number) == {0}


def test_slope_is_exact_for_a_straight_line() -> None:
    energy = np.array([10.0, 50.0, 300.0])
    response = 3 * (1 + 0.07 * (np.log(energy) - np.log(energy).mean()))
    assert slope_in_log_energy(energy, response) == pytest.approx(0.07, rel=1e-12)


def test_definitions_are_complete() -> None:
    for definition in DEFINITIONS:
        assert all(
            getattr(definition, key)
            for key in ("name", "label", "meaning", "source", "bias", "blind", "range")
        )
        assert definition.group == "physics"
