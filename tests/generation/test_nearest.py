import numpy as np
import pytest

from caloforge.data import Particles, load_sample
from caloforge.errors import ConfigError
from caloforge.generation import NearestShower


def changed(particles, **columns):
    n = len(particles)
    new = {name: np.broadcast_to(value, n) for name, value in columns.items()}
    return Particles({**particles.columns, **new}, particles.incident)


@pytest.fixture
def sample(toy_grid, toy_sample):
    return toy_sample(toy_grid, 300, repeats=2)


def test_donors_are_of_the_kind_and_the_nearest_in_energy(sample):
    model = NearestShower(sample, neighbours=4)
    asked = sample.particles.select(slice(0, None, 7))
    donors = model.donors(asked, seed=0)
    own = sample.particles
    assert (own["pdg"][donors] == asked["pdg"]).all()
    distance = np.abs(np.log(own["energy_gev"])[None] - np.log(asked["energy_gev"])[:, None])
    distance[own["pdg"][None] != asked["pdg"][:, None]] = np.inf
    fourth = np.sort(distance, axis=1)[:, 3]
    assert (distance[np.arange(len(asked)), donors] <= fourth).all()


def test_repeats_differ_and_seeds_decide(sample):
    model = NearestShower(sample)
    one = sample.particles.select([0])
    many = model.donors(one.repeated(5000), seed=1)
    counts = np.unique(many, return_counts=True)[1]
    assert len(counts) == 5
    np.testing.assert_allclose(counts, 1000, atol=5 * np.sqrt(800))
    first, again, other = (model.generate(one, seed=s, repeats=50) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.showers, again.showers)
    assert (first.showers != other.showers).any()
    assert first.particles.incident.tolist() == [one.incident[0]] * 50


def test_unknown_kind_takes_any(sample):
    muon = changed(sample.particles.select([0]), pdg=13, energy_gev=1e6)
    (donor,) = NearestShower(sample, neighbours=1).donors(muon, seed=0)
    assert donor in np.flatnonzero(
        sample.particles["energy_gev"] == sample.particles["energy_gev"].max()
    )


def test_fewer_showers_than_neighbours(sample):
    few = NearestShower(sample, rows=[4], neighbours=5)
    made = few.generate(sample.particles.select([4, 4]))
    np.testing.assert_array_equal(made.showers, sample.showers[[4, 4]])


def test_shower_moves_by_whole_cells_and_loses_what_leaves(sample):
    # Cells are 0.5 x 0.25 cm: 3 cells along x, -1 along y.
    one = changed(sample.particles.select([0]), x_cm=-0.8, y_cm=0.1)
    at = type(sample)(one, sample.showers[:1], sample.geometry, None, {}, "one")
    moved = NearestShower(at).generate(changed(one, x_cm=0.7, y_cm=-0.15)).showers
    before, after = sample.showers[0].reshape(6, 4), moved[0].reshape(6, 4)
    np.testing.assert_array_equal(after[3:, :3], before[:3, 1:])
    assert after[:3].sum() == after[:, 3].sum() == 0


def test_other_layouts_keep_the_shower_in_place(toy_cylinder, toy_sample):
    sample = toy_sample(toy_cylinder)
    model = NearestShower(sample)
    made = model.generate(changed(sample.particles, x_cm=0.0), seed=3)
    donors = model.donors(sample.particles, seed=3)
    np.testing.assert_array_equal(made.showers, sample.showers[donors])


def test_zn_showers_have_the_right_amount_of_light():
    train, test = load_sample("zn-train"), load_sample("zn-test")
    made = NearestShower(train).generate(test.particles)
    assert made.showers.dtype == np.uint16
    ratio = made.showers.sum() / test.showers.sum()
    assert 0.8 < ratio < 1.1


def test_bad_options(sample):
    with pytest.raises(ConfigError, match="found 0 neighbours among 600 showers"):
        NearestShower(sample, neighbours=0)
    with pytest.raises(ConfigError, match="found 5 neighbours among 0 showers"):
        NearestShower(sample, rows=[])
    with pytest.raises(ConfigError, match="repeats: found 0"):
        NearestShower(sample).generate(sample.particles, repeats=0)
