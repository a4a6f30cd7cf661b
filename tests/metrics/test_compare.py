"""The whole comparison, on toys and on the ZN sample."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from caloforge.data import ShowerSample, load_sample
from caloforge.errors import ConfigError, DataFormatError, GeometryError
from caloforge.metrics import METRICS, Comparison, compare, make_trial
from caloforge.metrics.statistics.floor import HALVES, ONE_AGAINST_ONE, TWO_AGAINST_TWO

if TYPE_CHECKING:
    from caloforge.geometry import DetectorGeometry


def run(reference: ShowerSample, *generated: ShowerSample, **options: float) -> Comparison:
    named = {f"generated {k}": sample for k, sample in enumerate(generated)}
    n_bootstrap = options.pop("n_bootstrap", 20)
    rng = np.random.default_rng(options.pop("seed", 0))
    trial = make_trial(reference, named, rng=rng, **options)
    return compare(trial, rng=rng, n_bootstrap=n_bootstrap)


@pytest.fixture
def zn_parts() -> tuple[ShowerSample, ShowerSample]:
    """Full simulation split by repeat: three showers of each particle against the other two."""
    sample = load_sample("zn-test")
    repeat = np.arange(len(sample)) % 5
    return sample.select(repeat < 3), sample.select(repeat >= 3)


class TestZn:
    def test_independent_full_simulation_is_at_the_floor(
        self, zn_parts: tuple[ShowerSample, ShowerSample]
    ) -> None:
        row = run(*zn_parts, n_bootstrap=60).generated[0]
        ratio = row.metrics["w1_ratio"].mean
        bias = row.metrics["conditional_bias"].mean
        spread = row.metrics["spread_ratio"].mean
        assert ratio is not None
        assert bias is not None
        assert spread is not None
        assert abs(ratio.value - 1) < 3 * ratio.error
        assert abs(bias.value) < 3 * bias.error
        assert abs(spread.value - 1) < 3 * spread.error

    def test_three_repeats_are_compared_one_against_one(
        self, zn_parts: tuple[ShowerSample, ShowerSample]
    ) -> None:
        found = run(*zn_parts)
        assert found.design == ONE_AGAINST_ONE
        assert found.floor.metrics["conditional_bias"].mean is None
        assert found.floor.metrics["dispersion_discrepancy"].mean is None

    def test_what_marginal_distances_cannot_see(self) -> None:
        # Showers given to other particles: nearly the same sample, every particle wrong.
        sample = load_sample("zn-test")
        rows = np.random.default_rng(0).permutation(len(sample))
        wrong = replace(sample, showers=sample.showers[rows])
        less = replace(sample, showers=(sample.showers * 0.8).astype(np.uint16))
        found = run(sample, wrong, less)
        assert found.design == TWO_AGAINST_TWO
        assert found.statement.startswith("channels: literature; no cut; 440 of 440 incident")
        shuffled, scaled = (row.metrics for row in found.generated)
        assert shuffled["w1_ratio"].mean.value < 2.5
        assert shuffled["conditional_bias"].mean.value > 30
        assert scaled["w1_ratio"].mean.value > 3
        # The mean of five W1, not the mean of five ratios.
        w1, floor = scaled["w1"], found.floor.metrics["w1"]
        assert scaled["w1_ratio"].mean.value == pytest.approx(w1.mean.value / floor.mean.value)
        assert w1.mean.value == pytest.approx(np.mean([m.value for m in w1.channels.values()]))

    def test_convention_and_cut_are_stated(self) -> None:
        sample = load_sample("zn-test")
        found = run(sample, sample, convention="detector", cut=50.0)
        assert found.channels[0] == "tower 1"
        assert (
            "channels: detector; total response >= 50 photons (passed by: full"
            in found.statement
        )
        assert found.n_particles < found.n_particles_reference == 440
        # An independent count of the particles with four showers left.
        total = sample.showers.sum(axis=1, dtype=float)
        left = np.bincount(np.unique(sample.particles.incident, return_inverse=True)[1],
                           total >= 50)  # fmt: skip
        assert found.n_particles == (left >= 4).sum()


@pytest.mark.parametrize(
    ("repeats", "design"),
    [((5, 5), TWO_AGAINST_TWO), ((2, 1), ONE_AGAINST_ONE), ((1, 1), HALVES)],
)
def test_cylinder_with_energies(toy_cylinder, toy_sample, repeats, design) -> None:
    reference, other = (toy_sample(toy_cylinder, repeats=r) for r in repeats)
    found = run(reference, other)
    assert found.design == design
    assert found.channels == ("layer 0", "layer 1", "layer 3")
    assert found.unit == "MeV"
    assert found.floor_label == ("unmatched floor" if design == HALVES else "floor")
    for row in found.rows:
        assert row.metrics["w1"].mean is not None
        assert row.observables["total"].w1 is not None
    assert (found.floor.metrics["mae"].mean is None) == (design == HALVES)
    assert found.generated[0].metrics["mae"].mean is not None


def test_seed_decides_the_errors_only(toy_grid: DetectorGeometry, toy_sample) -> None:
    reference, other = (toy_sample(toy_grid, repeats=4) for _ in range(2))
    first, again, another = (run(reference, other, seed=seed) for seed in (1, 1, 2))
    assert first == again
    a, b = (c.generated[0].metrics["w1"].mean for c in (first, another))
    assert a.value == b.value
    assert a.error != b.error


def test_only_common_particles_take_part(toy_grid: DetectorGeometry, toy_sample) -> None:
    reference = toy_sample(toy_grid, repeats=4)
    order = np.random.default_rng(0).permutation(len(reference))
    part = reference.select(order[reference.particles.incident[order] < 25])
    found = run(reference, part)
    assert (found.n_particles, found.n_particles_reference) == (25, 40)
    assert found.generated[0].n_showers == 100


def test_dictionary_says_what_was_compared(toy_grid, toy_sample) -> None:
    reference = toy_sample(toy_grid, repeats=4)
    table = run(reference, toy_sample(toy_grid, repeats=2)).as_dict()
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert (table["format"], table["version"]) == ("caloforge-metrics", 2)
    assert set(table) == {
        "format", "version", "reference", "geometry", "unit", "convention", "channels", "cut",
        "passing", "pairing", "n_particles", "n_particles_reference", "design", "matched_floor",
        "n_compared", "n_bootstrap", "samples",
    }  # fmt: skip
    assert table["n_compared"] == 80
    assert table["samples"] == [{"name": "generated 0", "n_showers": 80, "repeats": 2}]


def test_every_figure_has_its_floor(toy_grid, toy_sample) -> None:
    reference = toy_sample(toy_grid, repeats=4)
    found = run(reference, toy_sample(toy_grid, repeats=2))
    figures = found.figures()
    assert {f.metric for f in figures} == set(METRICS)
    assert {f.target for f in figures} == {"", *found.channels}
    whole = {f.metric: f for f in figures if not f.target}
    assert whole["w1"].floor == found.floor.metrics["w1"].mean
    assert whole["w1"].replicas[0] == whole["w1"].value.value
    assert whole["w1_ratio"].floor.value == 1


class TestBadInput:
    def test_other_cells(self, toy_grid, toy_cylinder, toy_sample) -> None:
        with pytest.raises(GeometryError, match="compare showers of one detector"):
            run(toy_sample(toy_grid), toy_sample(toy_cylinder))

    def test_unknown_convention(self, toy_grid, toy_sample) -> None:
        with pytest.raises(GeometryError, match="expected one of total"):
            run(toy_sample(toy_grid), toy_sample(toy_grid), convention="warsaw")

    def test_cut_above_all(self, toy_grid, toy_sample) -> None:
        with pytest.raises(DataFormatError, match="lower the cut"):
            run(toy_sample(toy_grid), toy_sample(toy_grid), cut=1e9)

    def test_one_particle(self, toy_grid, toy_sample) -> None:
        with pytest.raises(DataFormatError, match="found 1 common incident particle"):
            run(toy_sample(toy_grid, 1), toy_sample(toy_grid, 1))

    @pytest.mark.parametrize("options", [{"cut": -1.0}, {"cut": np.nan}, {"n_bootstrap": 1}])
    def test_options_out_of_range(self, toy_grid, toy_sample, options) -> None:
        with pytest.raises(ConfigError, match="expected"):
            run(toy_sample(toy_grid), toy_sample(toy_grid), **options)
