import numpy as np
import pytest
import torch

import caloforge
from caloforge.data import Particles
from caloforge.errors import BundleError, ConfigError, DataFormatError
from caloforge.generation import RangeWarning
from caloforge.generation.simulation import GROUP, TILE, FastSimulation

from .conftest import KINDS


@pytest.fixture(params=KINDS)
def simulation(request, make_bundle):
    return caloforge.load(make_bundle(request.param))


@pytest.fixture
def small(make_bundle):
    return caloforge.load(make_bundle("e2e-sae"))


class TestEveryModel:
    """Bit by bit: all comparisons are of equality."""

    def test_batch_size_does_not_matter(self, simulation, particles):
        whole = simulation.generate(particles, seed=5, repeats=2).showers
        for size in (1, 7, 64, 1000):
            chunks = list(simulation.chunks(particles, seed=5, repeats=2, batch_size=size))
            assert all(len(showers) == size for _, showers in chunks[:-1])
            np.testing.assert_array_equal(np.concatenate([s for _, s in chunks]), whole)

    def test_any_part_can_be_made_alone_and_in_any_order(self, simulation, particles):
        whole = simulation.generate(particles, seed=5).showers
        for first, last in ((149, 150), (64, 128), (0, 1), (3, 5), (60, 70), (5, 149)):
            part = simulation.generate(
                particles.select(slice(first, last)), seed=5, first=first
            )
            np.testing.assert_array_equal(part.showers, whole[first:last])

    def test_other_particles_in_the_tile_do_not_matter(self, simulation, particles):
        whole = simulation.generate(particles, seed=5).showers
        others = particles.select(np.r_[40:0:-1, 40, 41:150])
        found = simulation.generate(others, seed=5).showers
        np.testing.assert_array_equal(found[40:], whole[40:])

    def test_seeds_and_repeats_give_other_showers(self, simulation, particles):
        first = simulation.generate(particles, seed=1, repeats=3)
        other = simulation.generate(particles, seed=2, repeats=3)
        again = simulation.generate(particles, seed=1, repeats=3)
        np.testing.assert_array_equal(first.showers, again.showers)
        assert (first.showers != other.showers).any(axis=1).mean() > 0.9
        repeats = first.showers.reshape(150, 3, -1)
        assert (repeats[:, 0] != repeats[:, 1]).any(axis=1).mean() > 0.9

    def test_showers_of_a_loop_are_those_of_a_call(self, simulation, particles):
        whole = simulation.generate(particles, seed=5).showers
        np.testing.assert_array_equal(simulation.showers(particles, seed=5), whole)
        for k in (0, 7, len(particles) - 1):
            one = simulation.showers(particles.select([k]), seed=5, first=k)
            np.testing.assert_array_equal(one, whole[k : k + 1])
        nothing = simulation.showers(particles.select([]))
        assert nothing.shape == (0, simulation.geometry.n_cells)
        assert nothing.dtype == whole.dtype

    def test_showers_belong_to_the_particles(self, simulation, particles):
        made = simulation.generate(particles, repeats=2)
        assert made.particles.incident.tolist() == np.repeat(particles.incident, 2).tolist()
        for name in particles.names:
            assert (made.particles[name] == np.repeat(particles[name], 2)).all()
        assert made.geometry == simulation.geometry
        assert made.showers.dtype == (np.uint16 if made.geometry.counts else np.float32)
        assert made.showers.sum() > 0


def test_pytorchs_threads_are_left_alone_and_do_not_matter(small, particles):
    whole = small.generate(particles).showers
    torch.set_num_threads(2)
    try:
        np.testing.assert_array_equal(small.generate(particles).showers, whole)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_over_the_edges_of_groups(small, particles):
    # 1200 showers from number 500 on lie in four groups.
    whole = small.generate(particles, seed=5, repeats=12).showers
    assert GROUP % TILE == 0
    start = 500 - 500 % 12
    part = particles.select(slice(start // 12, None))
    found = small.generate(part, seed=5, repeats=12, first=start).showers
    np.testing.assert_array_equal(found, whole[start:])


def test_cells_come_back_to_the_detectors_frame(make_bundle, particles):
    # The mean shower, in the frame of the impact, is brighter at the cell that was hit.
    simulation = caloforge.load(make_bundle("no noise"))
    right, left = (
        particles.select([0] * 200).columns | {"x_cm": np.full(200, x)} for x in (1.2, -1.2)
    )
    sums = []
    for columns in (right, left):
        scale = 900 / columns["energy_gev"]
        energies = ("energy_gev", "px_gev", "py_gev", "pz_gev", "mass_mev")
        columns |= {name: scale * columns[name] for name in energies}
        columns |= {"y_cm": np.zeros(200)}
        made = simulation.generate(Particles(columns, np.arange(200)))
        sums.append(made.showers.sum(axis=0).reshape(6, 4).sum(axis=1))
    # 6 cells of 0.5 cm along x: the one at 1.2 cm is the sixth, the one at -1.2 cm the first.
    assert np.roll(sums[0], 1).argmax() == sums[1].argmax()


def test_counts_agree_with_the_intensity_on_average(make_bundle, particles):
    simulation = caloforge.load(make_bundle("no noise"))
    one = particles.select([3])
    made = simulation.generate(one, repeats=20_000).showers
    scaled = simulation.bundle.conditions.scaled(one, simulation.geometry)
    conditions = torch.from_numpy(scaled)
    mean = simulation.bundle.generator.sample(conditions, torch.empty(1, 0)).detach().numpy()
    mean = simulation.bundle.frame.completed(mean, one)
    order = simulation._frame.order(one)
    expected = np.empty_like(mean)
    np.put_along_axis(expected, order, mean, axis=1)
    error = np.sqrt(expected[0] / len(made)) + 1e-9
    assert (np.abs(made.mean(axis=0) - expected[0]) < 5 * error).all()


class TestRange:
    @pytest.fixture
    def strange(self, particles):
        columns = dict(particles.columns)
        columns["energy_gev"] = columns["energy_gev"].copy()
        columns["energy_gev"][:3] = 5000.0
        columns["pdg"] = columns["pdg"].copy()
        columns["pdg"][2:4] = 13
        return Particles(columns, particles.incident)

    TEXT = (
        r"particles: 4 of 150 particles lie outside the trained range: energy in 3 "
        r"\(trained 1\d\.\d+ to 9\d\d\.\d+ GeV\), kind in 2 \(trained on gamma, pi\+, n\), "
        r"energy, momentum and mass in 3 \(they do not go together: E\^2 = p\^2 \+ m\^2, with "
        r"the total energy\); "
    )

    def test_warns_where_it_was_called(self, small, strange):
        with pytest.warns(RangeWarning, match=self.TEXT + "their showers are extra") as caught:
            assert len(small.generate(strange)) == 150
        assert caught[0].filename == __file__

    def test_strict_refuses(self, small, strange):
        with pytest.raises(DataFormatError, match=self.TEXT + "remove them"):
            small.generate(strange, strict=True)

    def test_missing_column_of_a_bundle_with_its_own(self, small, particles, monkeypatch):
        conditions = small.bundle.conditions
        monkeypatch.setattr(
            type(conditions), "raw", lambda self, particles, geometry: particles["angle"]
        )
        with pytest.raises(DataFormatError, match="found no column 'angle'"):
            small.generate(particles)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed: found -1"),
        ({"repeats": 0}, "repeats: found 0, expected 1 or more"),
        ({"first": -1}, "first: found -1, expected 0 or more"),
    ],
)
def test_bad_options(small, particles, options, message):
    with pytest.raises(ConfigError, match=message):
        small.generate(particles, **options)


def test_devices_and_threads(make_bundle, small):
    assert FastSimulation(small.bundle, device="auto").device.type in ("cpu", "cuda")
    for options, message in (
        ({"device": "tpu"}, "device: found 'tpu', expected one of cpu, cuda, auto"),
        ({"threads": 0}, "threads: found 0, expected 1 or more"),
    ):
        with pytest.raises(ConfigError, match=message):
            caloforge.load(make_bundle("e2e-sae"), **options)
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="device: found no CUDA device"):
            caloforge.load(make_bundle("e2e-sae"), device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batch_size_does_not_matter_on_a_gpu(make_bundle, particles):
    for kind in KINDS:
        simulation = caloforge.load(make_bundle(kind), device="cuda")
        whole = simulation.generate(particles, seed=5, repeats=4).showers
        chunks = simulation.chunks(particles, seed=5, repeats=4, batch_size=7)
        np.testing.assert_array_equal(np.concatenate([s for _, s in chunks]), whole)
        part = simulation.generate(particles.select([120]), seed=5, first=480, repeats=4)
        np.testing.assert_array_equal(part.showers, whole[480:484])


def test_a_model_that_gives_no_numbers_is_refused(make_bundle, particles):
    simulation = caloforge.load(make_bundle("energies"))
    with torch.no_grad():
        for parameter in simulation.bundle.model.parameters():
            parameter.fill_(torch.nan)
    with pytest.raises(BundleError, match="model: gives cells from nan to nan"):
        simulation.generate(particles)


def test_no_particle_gives_no_shower(small, particles):
    assert small.generate(particles.select([])).showers.shape == (0, 24)
