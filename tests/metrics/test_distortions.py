"""Distortions do what they say, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from caloforge.data import ShowerSample, load_sample
from caloforge.errors import GeometryError
from caloforge.metrics.distortions import distortions
from caloforge.metrics.shower.catalogue import measure, observables


@pytest.fixture(scope="module")
def sample() -> ShowerSample:
    return load_sample("zn-test")


@pytest.fixture(scope="module")
def distorted(sample: ShowerSample) -> dict[str, ShowerSample]:
    every = distortions(sample.geometry, load_sample("zn-train"))
    return {name: d.apply(sample, np.random.default_rng(1)) for name, d in every.items()}


def shape(sample: ShowerSample, name: str) -> np.ndarray:
    chosen = [o for o in observables(sample.geometry) if o.name == name]
    return measure(chosen, sample.showers)[:, 0]


def total(sample: ShowerSample) -> np.ndarray:
    return sample.showers.sum(axis=1, dtype=float)


def test_counts_stay_counts(sample, distorted) -> None:
    for name, other in distorted.items():
        assert other.showers.dtype == sample.showers.dtype, name
        assert other.particles is sample.particles, name
        assert (other.showers != sample.showers).any(), name


def test_seeded(sample) -> None:
    for name, d in distortions(sample.geometry, load_sample("zn-train")).items():
        first, second = (d.apply(sample, np.random.default_rng(3)).showers for _ in range(2))
        np.testing.assert_array_equal(first, second, err_msg=name)


@pytest.mark.parametrize(("name", "share"), [("light-2", 0.02), ("light-5", 0.05)])
def test_light_grows_by_the_share(sample, distorted, name: str, share: float) -> None:
    have = total(sample).sum()
    growth = total(distorted[name]).sum() / have - 1
    assert growth == pytest.approx(share, abs=4 * np.sqrt(share / have))
    assert (distorted[name].showers >= sample.showers).all()


def test_widths_grow_by_five_percent(sample, distorted) -> None:
    for axis in "xy":
        wide, before = (
            (shape(s, f"width_{axis}") ** 2).mean() for s in (distorted["wider-5"], sample)
        )
        assert np.sqrt(wide / before) - 1 == pytest.approx(0.05, abs=0.008)
    np.testing.assert_array_equal(total(distorted["wider-5"]), total(sample))


def test_blur_keeps_light_and_centroid(sample, distorted) -> None:
    np.testing.assert_array_equal(total(distorted["blurred"]), total(sample))
    shift = shape(distorted["blurred"], "centroid_x") - shape(sample, "centroid_x")
    assert abs(shift.mean()) < 4 * shift.std() / np.sqrt(len(shift))


def test_mirror_turns_x_round(sample, distorted) -> None:
    for axis, sign in (("x", -1), ("y", 1)):
        np.testing.assert_allclose(
            shape(distorted["mirrored"], f"centroid_{axis}"),
            sign * shape(sample, f"centroid_{axis}"),
            atol=1e-9,
        )


def test_shuffled_conditions_keep_the_sample(sample, distorted) -> None:
    first, second = (np.sort(total(s)) for s in (sample, distorted["shuffled"]))
    np.testing.assert_array_equal(first, second)


def test_half_are_copies_of_their_particle(sample, distorted) -> None:
    showers = distorted["duplicated"].showers
    equal = (showers == sample.showers).all(axis=1)
    assert 0.5 <= equal.mean() < 0.53
    rows = {row.tobytes() for row in sample.showers}
    assert all(row.tobytes() in rows for row in showers)


def test_resampled_sums_are_those_of_the_kind(sample, distorted) -> None:
    kinds = sample.particles.kinds()
    lit = total(sample) > 0
    for kind in ("n", "gamma"):
        rows = (kinds == kind) & lit
        have, found = total(sample)[rows], total(distorted["sum-resampled"])[rows]
        assert found.mean() == pytest.approx(have.mean(), rel=0.01)
        assert np.corrcoef(have, found)[0, 1] < 0.3


def test_one_row_is_dark(sample, distorted) -> None:
    cells = sample.geometry.layout.shaped(distorted["dead-row"].showers)
    assert (cells.any(axis=(0, 2)) == (np.arange(44) != 24)).all()
    changed = (distorted["dead-row"].showers != sample.showers).any(axis=0)
    assert changed.sum() <= 44


def test_memorised_showers_are_of_the_training_set(sample, distorted) -> None:
    train = load_sample("zn-train")
    known = {row.tobytes() for row in train.showers}
    assert all(row.tobytes() in known for row in distorted["memorised"].showers)
    mean = [np.corrcoef(total(sample), total(d))[0, 1] for d in distorted.values()]
    assert mean[-1] > 0.7  # of similar particles


def test_energies_of_a_cylinder(toy_cylinder, toy_sample) -> None:
    sample = toy_sample(toy_cylinder)
    every = distortions(toy_cylinder, toy_sample(toy_cylinder, seed=1))
    assert {"wider-5", "blurred", "mirrored"}.isdisjoint(every)
    for name, d in every.items():
        other = d.apply(sample, np.random.default_rng(0))
        assert np.isfinite(other.showers).all(), name
        assert (other.showers >= 0).all(), name
    bright = every["light-5"].apply(sample, np.random.default_rng(0))
    np.testing.assert_allclose(total(bright), 1.05 * total(sample), rtol=1e-5)


def test_cylinder_cannot_be_mirrored(toy_grid, toy_cylinder, toy_sample) -> None:
    mirror = distortions(toy_grid)["mirrored"]
    with pytest.raises(GeometryError, match="expected a grid"):
        mirror.apply(toy_sample(toy_cylinder), np.random.default_rng(0))


def test_bright_counts_do_not_wrap(toy_grid, toy_sample) -> None:
    bright = toy_sample(toy_grid)
    bright.showers[:, :3] = 65_000
    for name in ("light-5", "wider-5", "blurred", "sum-resampled"):
        other = distortions(toy_grid)[name].apply(bright, np.random.default_rng(0))
        grown = total(other).sum() / total(bright).sum()
        assert grown == pytest.approx(1.05 if name == "light-5" else 1, abs=0.005), name
    light = distortions(toy_grid)["light-5"].apply(bright, np.random.default_rng(0))
    assert light.showers.dtype == np.uint32
    assert light.showers.max() > 65_535


def test_the_most_similar_particle_does_not_depend_on_the_spread_of_the_sample(
    toy_grid, toy_sample
) -> None:
    training = toy_sample(toy_grid, 60, repeats=1, seed=1)
    memorise = distortions(toy_grid, training)["memorised"].apply
    # A particle of its own gets its own shower, whichever others are in the sample.
    for rows in (slice(0, 60), slice(7, 8), slice(3, 6)):
        part = training.select(rows)
        found = memorise(part, np.random.default_rng(0))
        np.testing.assert_array_equal(found.showers, part.showers)
