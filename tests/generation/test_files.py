import tracemalloc

import numpy as np
import pytest

import caloforge
from caloforge.data import Particles, ShowerFile, ShowerWriter, read_showers
from caloforge.errors import BundleError, DataFormatError, OutputError
from caloforge.generation import RangeWarning, files, generate_file


@pytest.fixture
def bundle(make_bundle):
    return make_bundle("e2e-sae")


def test_file_holds_what_generate_gives(bundle, particles, particle_files, tmp_path):
    done = generate_file(
        bundle, particle_files[0], tmp_path / "out.h5", seed=3, repeats=2, batch_size=64
    )
    assert done[:4] == (tmp_path / "out.h5", 300, 150, 0)
    assert done.rate == pytest.approx(300 / done.seconds)
    found = read_showers(tmp_path / "out.h5")
    expected = caloforge.load(bundle).generate(particles, seed=3, repeats=2)
    np.testing.assert_array_equal(found.showers, expected.showers)
    assert found.particles.incident.tolist() == np.repeat(particles.incident, 2).tolist()
    for name in particles.names:
        assert (found.particles[name] == expected.particles[name]).all()
    assert found.cpu_seconds.shape == (300,)
    assert 0 < found.cpu_seconds.mean() < 1


def test_kind_of_particle_file_and_batch_size_do_not_matter(
    bundle, particle_files, tmp_path, monkeypatch
):
    sums, particle_sums = set(), set()
    for k, (path, size) in enumerate(zip(particle_files, (50, 64, 1000), strict=True)):
        generate_file(bundle, path, tmp_path / f"{k}.h5", seed=3, repeats=9, batch_size=size)
        with ShowerFile(tmp_path / f"{k}.h5") as file:
            sums.add(file.sha256())
            particle_sums.add(file.provenance["particles_sha256"])
    # As if the particles were read in blocks of other sizes.
    monkeypatch.setattr(files, "_ROWS", 37)
    generate_file(bundle, particle_files[0], tmp_path / "blocks.h5", seed=3, repeats=9)
    with ShowerFile(tmp_path / "blocks.h5") as file:
        sums.add(file.sha256())
    assert len(sums) == len(particle_sums) == 1


def test_run_folder_and_sample_name_will_do(make_bundle, tmp_path):
    bundle = make_bundle("conv")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "bundle").symlink_to(bundle)
    with pytest.warns(RangeWarning, match="zn-test: "):
        done = generate_file(tmp_path / "run", "zn-test", tmp_path / "out.h5")
    assert done.n_showers == 2200
    assert done.outside > 0


def test_provenance_says_how_to_make_it_again(bundle, particle_files, tmp_path):
    generate_file(bundle, particle_files[1], tmp_path / "out.h5", seed=3, repeats=2)
    with ShowerFile(tmp_path / "out.h5") as file:
        origin = file.provenance
    assert origin["program"] == f"caloforge {caloforge.__version__}"
    assert origin["model"] == "e2e-sae"
    assert len(origin["weights_sha256"]) == 64
    assert (origin["seed"], origin["repeats"], origin["threads"]) == (3, 2, 1)
    assert origin["particles"] == str(particle_files[1])


def test_energies_of_a_cylinder(make_bundle, particle_files, tmp_path):
    generate_file(make_bundle("energies"), particle_files[1], tmp_path / "out.h5")
    found = read_showers(tmp_path / "out.h5")
    assert found.geometry.kind == "cylinder"
    assert found.showers.dtype == np.float32
    assert found.showers.shape == (150, 15)


def test_large_counts_are_written_whole(make_bundle, particle_files, tmp_path, monkeypatch):
    def bright(self, conditions, noise):
        cells = np.ones((len(conditions), 24), dtype=np.float32)
        cells[5] = 1e5
        return cells

    monkeypatch.setattr("caloforge.generation.FastSimulation._network", bright)
    generate_file(make_bundle("no noise"), particle_files[1], tmp_path / "out.h5", batch_size=5)
    found = read_showers(tmp_path / "out.h5").showers
    assert found.dtype == np.uint32
    assert (found[5] > 90_000).sum() > 12  # the others are far from the impact point
    assert found[:5].max() < 20


def test_memory_does_not_grow_with_the_file(bundle, particles, tmp_path, monkeypatch):
    # Rows of 48 bytes of cells and 88 of particles: 10,000 more of them are 1.4 MB. The smaller
    # file too has more rows than two chunks; of several threads, some wait at the peak or not.
    monkeypatch.setenv("CALOFORGE_THREADS", "1")
    monkeypatch.setattr(files, "_ROWS", 1024)
    many = particles.select(np.arange(20_000) % 150)
    simulation = caloforge.load(bundle)
    peaks = []
    for n in (10_000, 20_000):
        with ShowerWriter(
            tmp_path / "p.h5", simulation.geometry, provenance={}, force=True
        ) as w:
            w.append(many.select(slice(0, n)), np.zeros((n, 24), dtype=np.uint16))
        tracemalloc.start()
        generate_file(bundle, tmp_path / "p.h5", tmp_path / "out.h5", force=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 300_000


class TestRefusals:
    def test_particles_of_another_detector(
        self, bundle, make_bundle, toy_cylinder, toy_sample, tmp_path
    ):
        sample = toy_sample(toy_cylinder)
        with ShowerWriter(tmp_path / "c.h5", toy_cylinder, provenance={}) as writer:
            writer.append(sample.particles, sample.showers)
        with pytest.raises(
            BundleError,
            match=r"makes showers of geometry 'toy-grid' \(24 cells in photons\), but .*c\.h5 "
            r"is of 'toy-cylinder' \(15 cells in MeV\); take a bundle",
        ):
            generate_file(bundle, tmp_path / "c.h5", tmp_path / "out.h5")

    def test_existing_output_before_anything_is_read(self, particle_files, tmp_path):
        with pytest.raises(OutputError, match=r"p\.h5: exists already"):
            generate_file("missing", "missing", tmp_path / "p.h5")

    def test_column_that_the_model_needs(self, bundle, particle_files, tmp_path, monkeypatch):
        from caloforge.data.features import ConditionSet

        monkeypatch.setattr(ConditionSet, "raw", lambda self, p, geometry: p["angle"])
        with pytest.raises(DataFormatError, match=r"p\.csv: found no column 'angle'"):
            generate_file(bundle, particle_files[1], tmp_path / "out.h5")

    def test_strict_leaves_nothing(self, bundle, particles, tmp_path):
        from caloforge.data import write_particles

        columns = dict(particles.columns) | {"energy_gev": np.full(150, 2e4)}
        write_particles(
            tmp_path / "far.csv", Particles(columns, particles.incident), force=False
        )
        with pytest.raises(DataFormatError, match=r"far\.csv: 150 of 150 particles lie outs"):
            generate_file(bundle, tmp_path / "far.csv", tmp_path / "out.h5", strict=True)
        with pytest.warns(RangeWarning, match=r"far\.csv: 150 of 150"):
            generate_file(bundle, tmp_path / "far.csv", tmp_path / "out.h5")

    def test_a_failure_in_the_middle_leaves_nothing(
        self, bundle, particle_files, tmp_path, monkeypatch
    ):
        calls = []

        def fail(self, conditions, noise):
            calls.append(1)
            if len(calls) > 2:
                raise KeyboardInterrupt
            return np.ones((len(conditions), 24), dtype=np.float32)

        monkeypatch.setattr("caloforge.generation.FastSimulation._network", fail)
        before = sorted(tmp_path.iterdir())
        with pytest.raises(KeyboardInterrupt):
            generate_file(bundle, particle_files[0], tmp_path / "out.h5", repeats=10)
        assert sorted(tmp_path.iterdir()) == before
