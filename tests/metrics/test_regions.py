"""Where it fails: regions, their figures, their order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from caloforge.metrics import make_trial
from caloforge.metrics import regions as module
from caloforge.metrics.regions import MIN_PARTICLES, energy_bins, find_regions
from caloforge.metrics.settings import Settings

SETTINGS = Settings(n_bootstrap=30, n_permutations=199)


def trial_of(reference, *others, seed=0):
    names = [f"sample {k}" for k in range(len(others))]
    rng = np.random.default_rng(seed)
    return make_trial(reference, dict(zip(names, others, strict=True)), rng=rng)


def halves(sample, reference: int):
    """Split the repeats of each particle."""
    number = np.arange(len(sample)) % np.bincount(sample.particles.incident)[0]
    return sample.select(number < reference), sample.select(number >= reference)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 6)), min_size=1, max_size=300))
def test_bins_share_no_particle_and_cut_no_energy(particles) -> None:
    kind = np.array([k for k, _ in particles])
    energy = np.array([float(e) for _, e in particles])
    bins = energy_bins(kind, energy)
    taken = np.concatenate([b.particles for b in bins])
    assert len(set(taken)) == taken.size
    assert taken.size > len(particles) - MIN_PARTICLES or len(bins) == 1
    if len(bins) > 1:
        assert min(b.particles.size for b in bins) >= MIN_PARTICLES
    for b in bins:
        same = np.isin(energy, energy[b.particles]) & np.isin(kind, kind[b.particles])
        assert set(np.flatnonzero(same)) == set(b.particles)


def test_bins_by_kind_with_rare_ones_together() -> None:
    kind = np.repeat(["n", "gamma", "p", "K"], [100, 45, 12, 10])
    bins = energy_bins(kind, np.random.default_rng(0).uniform(10, 1000, kind.size))
    assert [b.kind for b in bins] == ["gamma", "gamma", "n", "n", "n", "n", "n", "other"]
    assert bins[-1].particles.size == 22


def test_a_distorted_region_leads_the_list(toy_grid, toy_sample) -> None:
    reference, same = halves(toy_sample(toy_grid, n=300, repeats=6), 4)
    wrong = (same.particles["pdg"] == 22) & (same.particles["energy_gev"] > 200)
    bright = same.showers + (wrong[:, None] * same.showers * 0.3).astype(np.uint16)
    found = find_regions(
        trial_of(reference, replace(same, showers=bright), same),
        SETTINGS,
        np.random.default_rng(1),
    )
    first = found[0]
    assert (first.sample, first.kind) == ("sample 0", "gamma")
    assert first.high_gev > 500
    assert first.p == first.p_adjusted == 1 / 200
    assert first.ratio.value > 3
    assert abs(first.bias.value - 0.3) < 0.03 + 3 * first.bias.error
    of_copy = [r for r in found if r.sample == "sample 1"]
    assert min(r.p_adjusted for r in of_copy) > 0.01
    assert all(r.score < 0.5 < first.score for r in of_copy)
    scores = [r.score for r in found if r.sample == "sample 0"]
    assert scores == sorted(scores, reverse=True)
    again = find_regions(
        trial_of(reference, replace(same, showers=bright), same),
        SETTINGS,
        np.random.default_rng(1),
    )
    assert again == found


def test_examples_are_of_the_same_particles_of_the_region(toy_grid, toy_sample) -> None:
    reference, same = halves(toy_sample(toy_grid, n=100, repeats=4), 2)
    trial = trial_of(reference, same)
    for region in find_regions(trial, SETTINGS, np.random.default_rng(0)):
        rows = np.array(region.reference_rows), np.array(region.generated_rows)
        side = trial.generated[0]
        assert 0 < len(rows[0]) <= module.N_EXAMPLES
        assert (trial.reference.particle[rows[0]] == side.particle[rows[1]]).all()
        energies = trial.reference.energy_gev[rows[0]]
        assert (np.diff(energies) >= 0).all()
        assert region.low_gev <= energies[0] <= energies[-1] <= region.high_gev
        assert set(trial.reference.kind[rows[0]]) == {region.kind}


def test_statistic_is_w1_and_labels_stay_within_particles() -> None:
    rng = np.random.default_rng(3)
    reference, generated = np.repeat(np.arange(4), 3), np.repeat(np.arange(4), 2)
    blocks = module._blocks(reference, generated, np.arange(4))
    ((places, template),) = blocks
    assert np.sort(places.ravel()).tolist() == list(range(20))
    assert template.tolist() == [1 / 3] * 3 + [-1 / 2] * 2

    class Sides:
        total = 0
        reference = None

    def side(particle, values):
        made = Sides()
        made.particle, made.observables = particle, values[:, None]
        return made

    values = rng.normal(size=12), rng.normal(1, 1, size=8)
    trial = Sides()
    trial.reference = side(reference, values[0])
    part = module.Bin("n", np.arange(4))
    found = module._permuted(trial, side(generated, values[1]), part, 3000, rng)
    assert found[0] == pytest.approx(wasserstein_distance(*values))
    # All 10**4 ways to choose labels are equally likely: compare the mean with a brute force.
    pooled = [
        np.concatenate((values[0][reference == k], values[1][generated == k])) for k in range(4)
    ]
    brute = []
    for _ in range(3000):
        mixed = [rng.permutation(p) for p in pooled]
        brute.append(
            wasserstein_distance(
                np.concatenate([m[:3] for m in mixed]), np.concatenate([m[3:] for m in mixed])
            )
        )
    error = np.hypot(np.std(brute), found[1:].std()) / np.sqrt(3000)
    assert abs(found[1:].mean() - np.mean(brute)) < 4 * error


def test_adjusted_p_values_hold_the_family_wise_level() -> None:
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(300):
        p, _ = module._significance(rng.gamma(3.0, size=(200, 12)))
        alarms += bool((p.adjusted <= 0.05).any())
    assert 5 <= alarms <= 27  # 15 expected, three standard deviations


def test_single_showers_and_different_repeats(toy_cylinder, toy_grid, toy_sample) -> None:
    single = toy_sample(toy_cylinder, n=60, repeats=1)
    dim = replace(single, showers=single.showers * 0.5)
    for region in find_regions(trial_of(single, dim), SETTINGS, np.random.default_rng(0)):
        assert region.bias.value == pytest.approx(-0.5)
        assert region.p <= 0.05
    mixed = toy_sample(toy_grid, n=60, repeats=5)
    number = np.arange(len(mixed)) % 5
    uneven = mixed.select(number <= mixed.particles.incident % 2 + 2)
    rest = mixed.select(number > mixed.particles.incident % 2 + 2)
    found = find_regions(trial_of(uneven, rest), SETTINGS, np.random.default_rng(0))
    assert sum(region.n for region in found) >= 40
    assert all(region.ratio is not None for region in found)


def test_dark_and_tiny_samples(toy_grid, toy_sample) -> None:
    reference, same = halves(toy_sample(toy_grid, n=5, repeats=2), 1)
    (region,) = find_regions(trial_of(reference, same), SETTINGS, np.random.default_rng(0))
    assert (region.n, region.kind) == (5, "other")
    dark = [replace(s, showers=np.zeros_like(s.showers)) for s in (reference, same)]
    (region,) = find_regions(trial_of(*dark), SETTINGS, np.random.default_rng(0))
    assert (region.ratio, region.bias, region.p, region.score) == (None, None, 1.0, 0.0)
    empty = replace(same, showers=np.zeros_like(same.showers))
    (region,) = find_regions(trial_of(reference, empty), SETTINGS, np.random.default_rng(0))
    assert region.bias.value == -1
