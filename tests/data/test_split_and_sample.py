import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.data import (
    Particles,
    balance,
    load_sample,
    resolve,
    sample_names,
    sample_path,
    split_rows,
)
from caloforge.errors import DataFormatError
from caloforge.geometry import load_geometry


def validation_energies(particles: Particles, **options: object) -> set[float]:
    split = split_rows(particles, **options)
    rows = np.concatenate(split)
    assert sorted(rows.tolist()) == list(range(len(particles)))
    sides = [set(particles["energy_gev"][side].tolist()) for side in split]
    assert not sides[0] & sides[1]
    return sides[1]


@pytest.fixture(scope="module")
def particles(toy_grid, toy_sample):
    return toy_sample(toy_grid, 300, repeats=2).particles


class TestSplit:
    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 1000), n=st.integers(1, 600), fraction=st.floats(0, 1))
    def test_side_never_changes(self, particles, seed, n, fraction):
        # The particles are known by their energies, which are all different.
        whole = validation_energies(particles, fraction=fraction)
        rows = np.random.default_rng(seed).permutation(len(particles))[:n]
        part = particles.select(rows)
        renumbered = Particles(part.columns, part.incident * 7 - 3)
        kept = whole & set(part["energy_gev"].tolist())
        assert validation_energies(renumbered, fraction=fraction) == kept

    def test_larger_fraction_only_adds(self, particles):
        sides = [validation_energies(particles, fraction=f) for f in (0, 0.1, 0.5, 1)]
        assert sides[0] == set()
        assert sides[1] < sides[2] < sides[3]
        assert len(sides[3]) == 300

    def test_size_is_that_of_a_throw_of_coins(self, particles):
        n = len(validation_energies(particles, fraction=0.5))
        assert abs(n - 150) < 4 * np.sqrt(300 / 4)

    def test_other_key_is_independent(self, particles):
        first = validation_energies(particles, fraction=0.5)
        other = validation_energies(particles, fraction=0.5, key="other")
        assert 75 - 40 < len(first & other) < 75 + 40

    def test_side_follows_the_definition(self):
        # Written out once more: any change would let particles of older trainings leak.
        particles = load_sample("zn-test").particles.select(slice(0, 500))
        names = sorted(particles.names)
        chosen = []
        for row in range(len(particles)):
            values = [float(particles[name][row]) + 0.0 for name in names]
            content = "\n".join(names).encode() + struct.pack("<10d", *values)
            identity = hashlib.blake2b(content, digest_size=16, key=b"caloforge").digest()
            number = hashlib.blake2b(identity, digest_size=8, key=b"caloforge").digest()
            if int.from_bytes(number, "big") / 2**64 < 0.1:
                chosen.append(row)
        assert split_rows(particles, fraction=0.1).validation.tolist() == chosen

    def test_bad_fraction_and_shared_numbers_are_refused(self, particles):
        with pytest.raises(ValueError, match=r"fraction must be from 0 to 1, got 1\.5"):
            split_rows(particles, fraction=1.5)
        shared = Particles(particles.columns, particles.incident // 10 * 10)
        with pytest.raises(DataFormatError, match=r"incident 0 stands for several .*\(30 such"):
            split_rows(shared, fraction=0.1)

    def test_balance_counts_every_particle_once(self, particles):
        split = split_rows(particles, fraction=0.3)
        table = balance(particles, *split)
        assert sum(row.train + row.validation for row in table) == 300
        assert sum(row.validation for row in table) * 2 == len(split.validation)
        assert {row.kind for row in table} == {"n", "gamma", "pi+"}
        assert all(row.high_gev in (3 * row.low_gev, 10 / 3 * row.low_gev) for row in table)
        neutrons = particles.select(particles["pdg"] == 2112)
        in_bin = (neutrons["energy_gev"] >= 30) & (neutrons["energy_gev"] < 100)
        row = next(row for row in table if row[:2] == ("n", 30))
        assert row.train + row.validation == in_bin.sum() / 2
        assert row.fraction == row.validation / (row.train + row.validation)


# Showers, and showers of each particle, of the samples that `caloforge simulate` made.
SIMULATED = {
    "zp-train": (1200, 1),
    "zp-test": (600, 5),
    "cylinder-train": (3000, 1),
    "cylinder-test": (600, 5),
    "zn-neutron-100": (1000, 1),
    "zn-neutron-option1": (1000, 4),
}
EMBEDDED = {"zn-train", "zn-test", *SIMULATED}


class TestSamples:
    def test_train_and_test_share_no_particle(self):
        train, test = (load_sample(name).particles for name in ("zn-train", "zn-test"))
        assert not set(train.identity()) & set(test.identity())
        assert not set(train.incident) & set(test.incident)

    @pytest.mark.parametrize("detector", ["zn", "zp", "cylinder"])
    def test_no_particle_is_in_train_and_test(self, detector):
        train, test = (load_sample(f"{detector}-{k}").particles for k in ("train", "test"))
        assert not set(train.identity()) & set(test.identity())
        assert not set(train.incident) & set(test.incident)

    @pytest.mark.parametrize("name", sorted(SIMULATED))
    def test_simulated_samples_say_how_they_were_made(self, name):
        sample = load_sample(name)
        n, repeats = SIMULATED[name]
        assert sample.geometry == load_geometry(name.split("-")[0])
        _, counts = np.unique(sample.particles.incident, return_counts=True)
        assert counts.tolist() == [repeats] * (n // repeats)
        assert len(sample) == n
        said = sample.provenance
        assert said["command"].startswith("caloforge simulate ")
        assert said["simulation"]["official_data_sets"] is False
        assert said["em"] == ("option1" if name.endswith("option1") else "option0")
        card = sample_path(name).with_name("README.md").read_text()
        assert f"| `{name}` |" in card
        assert f"| {n} |" in card
        assert said["command"] in card

    def test_neutrons_have_the_settings_of_the_training_sample(self):
        said = load_sample("zn-neutron-option1").provenance
        train = load_sample("zn-train")
        assert said["cut_mm"] == train.provenance["production_cut_mm"] == 0.7
        assert said["detector"]["construction"]["light"]["efficiency"] == 0.147
        particles = load_sample("zn-neutron-option1").particles
        assert not set(particles.identity()) & set(train.particles.identity())
        assert set(particles["energy_gev"]) == {100.0}
        assert 0.4 < particles["x_cm"].std() < 0.6

    @pytest.mark.parametrize(
        ("name", "n", "repeats"),
        [("zn-train", 7550, {1: 4100, 2: 1725}), ("zn-test", 2200, {5: 440})],
    )
    def test_content_is_that_of_the_data_card(self, name, n, repeats):
        sample = load_sample(name)
        assert sample.showers.shape == (n, 44 * 44)
        assert sample.geometry.name == "zn"
        _, counts = np.unique(sample.particles.incident, return_counts=True)
        assert dict(zip(*np.unique(counts, return_counts=True), strict=True)) == repeats
        assert "not the official data sets" in sample.provenance["run_data"]
        card = sample_path(name).with_name("README.md").read_text()
        assert f"| `{name}` |" in card
        assert f"| {n} |" in card

    def test_names_and_paths(self, tmp_path, monkeypatch):
        assert sample_names() == tuple(sorted(EMBEDDED))
        assert resolve("zn-test") == sample_path("zn-test")
        monkeypatch.chdir(tmp_path)
        (tmp_path / "mine.h5").write_text("")
        assert str(resolve("mine.h5")) == "mine.h5"
        with pytest.raises(DataFormatError, match="expected a path or a sample"):
            resolve("zn-trian")
        with pytest.raises(DataFormatError, match="no 'zn-tain'; did you mean 'zn-train'"):
            sample_path("zn-tain")
