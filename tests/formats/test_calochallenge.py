import h5py
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from caloforge.data import (
    PARTICLE_COLUMNS,
    Particles,
    ShowerWriter,
    SplitPlan,
    load_sample,
    partition,
    read_showers,
)
from caloforge.errors import ConfigError, DataFormatError, GeometryError
from caloforge.formats import hdf5
from caloforge.formats.challenge.binning_xml import write_binning
from caloforge.formats.challenge.calochallenge import challenge_threshold
from caloforge.formats.conversion import convert
from caloforge.formats.format import ReadOptions
from caloforge.formats.registry import open_showers, recognised
from caloforge.geometry import DetectorGeometry, load_geometry


def write(path, energies, showers, **options):
    """Write a file as the challenge's README says."""
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "incident_energies", data=energies.reshape(len(energies), -1), compression="gzip"
        )
        file.create_dataset(
            "showers", data=showers.reshape(len(showers), -1), compression="gzip", **options
        )
    return path


def challenge_reads(path, n_cells):
    """Read and check a file by the rules of the challenge's evaluate.py."""
    with h5py.File(path, "r") as file:
        n = file["incident_energies"].shape[0]
        assert file["showers"].shape[0] == n
        assert file["showers"].shape[1] == n_cells
        return file["showers"][:], file["incident_energies"][:]


def pieces(path, size=4, **options):
    with open_showers([path], options=ReadOptions(**options)) as source:
        return source, list(source.pieces(size))


def toy(n, cells, seed=0):
    rng = np.random.default_rng(seed)
    energies = 2.0 ** rng.integers(8, 23, n)
    return energies, rng.gamma(0.1, energies[:, None] / cells, (n, cells))


class TestReading:
    @pytest.mark.parametrize(
        ("cells", "name", "pdg", "mass", "charge"),
        [
            (368, "calochallenge-1-photons", 22, 0.0, 0),
            (533, "calochallenge-1-pions", 211, 139.57039, 1),
            (6480, "cylinder", 11, 0.51099895, -1),
            (40500, "cylinder-fine", 11, 0.51099895, -1),
        ],
    )
    def test_published_are_known_by_their_voxels(
        self, tmp_path, cells, name, pdg, mass, charge
    ):
        energies, showers = toy(6, cells)
        path = write(tmp_path / "x.hdf5", energies, showers)
        assert recognised(path).name == "calochallenge"
        source, parts = pieces(path)
        assert source.geometry == load_geometry(name)
        np.testing.assert_array_equal(np.concatenate([p.showers for p in parts]), showers)
        columns = {c: np.concatenate([p.columns[c] for p in parts]) for c in parts[0].columns}
        np.testing.assert_allclose(columns["energy_gev"], energies / 1000, rtol=1e-15)
        assert (columns["pdg"] == pdg).all()
        np.testing.assert_allclose(columns["mass_mev"], mass, rtol=1e-6)
        assert (columns["charge_e"] == charge).all()
        # E^2 = p^2 + m^2, along the axis.
        np.testing.assert_allclose(
            columns["pz_gev"] ** 2 + (columns["mass_mev"] / 1000) ** 2,
            columns["energy_gev"] ** 2,
            rtol=1e-12,
        )
        assert not any(columns[c].any() for c in ("x_cm", "y_cm", "z_cm", "px_gev", "py_gev"))
        assert source.conversions[0] == "incident_energies: MeV to GeV, times 0.001"

    @pytest.mark.parametrize("chunks", [(10, 368), (50, 8), (1, 368), (3, 100), None])
    def test_order_of_rows_under_any_chunks(self, tmp_path, chunks):
        energies, showers = toy(50, 368)
        path = write(tmp_path / "x.hdf5", energies, showers, chunks=chunks)
        _, parts = pieces(path, size=7)
        assert max(len(p.showers) for p in parts) <= 7
        np.testing.assert_array_equal(np.concatenate([p.showers for p in parts]), showers)
        assert sum(len(p.columns["energy_gev"]) for p in parts) == 50

    def test_chunks_too_large_to_be_expanded_are_refused(self, tmp_path, monkeypatch):
        energies, showers = toy(40, 368)
        path = write(tmp_path / "x.hdf5", energies, showers, chunks=(32, 368))
        monkeypatch.setattr(hdf5, "_BLOCK_BYTES", 32 * 368 * 8)
        _, parts = pieces(path, size=7)
        np.testing.assert_array_equal(np.concatenate([p.showers for p in parts]), showers)
        monkeypatch.setattr(hdf5, "_BLOCK_BYTES", 32 * 368 * 8 - 1)
        message = (
            r"'showers' lies in chunks of 0.0898 MiB, .*: h5repack -l showers:CHUNK=356x368 "
        )
        with pytest.raises(DataFormatError, match=message):
            pieces(path, size=7)

    @pytest.mark.parametrize("block_rows", [1, 7, 10, 32])
    def test_rows_of_chunks_larger_than_a_block(self, tmp_path, monkeypatch, block_rows):
        energies, showers = toy(40, 368)
        path = write(tmp_path / "x.hdf5", energies, showers, chunks=(32, 4))
        monkeypatch.setattr(hdf5, "_BLOCK_BYTES", max(block_rows * 368 * 8, 1024))
        _, parts = pieces(path, size=7)
        assert max(len(p.showers) for p in parts) <= 7
        np.testing.assert_array_equal(np.concatenate([p.showers for p in parts]), showers)

    def test_irregular_layers_from_a_binning(self, tmp_path, toy_cylinder):
        write_binning(tmp_path / "b.xml", toy_cylinder, pdg=-211)
        energies, showers = toy(5, toy_cylinder.n_cells)
        path = write(tmp_path / "x.hdf5", energies, showers)
        source, parts = pieces(path, geometry=str(tmp_path / "b.xml"))
        assert source.geometry.layout == toy_cylinder.layout
        assert (parts[0].columns["pdg"] == -211).all()
        _, parts = pieces(path, geometry=str(tmp_path / "b.xml"), pdg=211)
        assert (parts[0].columns["pdg"] == 211).all()

    def test_shaped_showers_and_flat_energies(self, tmp_path):
        energies, showers = toy(3, 6480)
        with h5py.File(tmp_path / "x.hdf5", "w") as file:
            file["incident_energies"] = energies
            file["showers"] = showers.reshape(3, 45, 16, 9)
        source, parts = pieces(tmp_path / "x.hdf5")
        assert source.geometry.name == "cylinder"
        np.testing.assert_array_equal(parts[0].showers, showers)

    def test_units_that_the_file_states(self, tmp_path):
        energies, showers = toy(3, 368)
        path = write(tmp_path / "x.hdf5", energies / 1000, showers / 1000)
        with h5py.File(path, "r+") as file:
            file["incident_energies"].attrs["unit"] = "GeV"
            file["showers"].attrs["units"] = np.bytes_(b"GeV")
        source, parts = pieces(path)
        np.testing.assert_allclose(parts[0].columns["energy_gev"], energies / 1000)
        np.testing.assert_allclose(parts[0].showers, showers)
        assert source.conversions[-1] == "showers: GeV to MeV, times 1000"
        with h5py.File(path, "r+") as file:
            file["showers"].attrs["units"] = "erg"
        with pytest.raises(DataFormatError, match="'showers' is in 'erg', expected one of eV"):
            pieces(path)

    @pytest.mark.parametrize("dtype", [np.int32, np.uint16, np.int64])
    def test_integers_in_a_smaller_unit_are_not_cut(self, tmp_path, dtype):
        kev = np.arange(3 * 368).reshape(3, 368).astype(dtype)
        path = write(tmp_path / "x.hdf5", np.array([5, 6, 7], dtype), kev)
        with h5py.File(path, "r+") as file:
            file["showers"].attrs["unit"] = "keV"
        _, parts = pieces(path)
        np.testing.assert_array_equal(parts[0].showers, kev / 1000)
        assert parts[0].columns["energy_gev"].tolist() == [0.005, 0.006, 0.007]

    def test_same_energies_in_mev_are_the_same_particles_from_a_table(self, tmp_path):
        rng = np.random.default_rng(1)
        mev, showers = np.exp(rng.uniform(0, 14, 400)), np.ones((400, 368), np.float32)
        convert([write(tmp_path / "x.hdf5", mev, showers)], tmp_path / "x.h5")
        ours = read_showers(tmp_path / "x.h5").particles
        table = {name: ours[name] for name in ours.names if name != "energy_gev"}
        table |= {"E": mev, "cells": list(showers)}
        pq.write_table(pa.table(table), tmp_path / "m.parquet")
        (tmp_path / "m.toml").write_text(
            '[columns]\nenergy_gev = {branch = "E", unit = "MeV"}\n'
            '[cells]\nbranch = "cells"\nunit = "MeV"\n'
        )
        options = ReadOptions("calochallenge-1-photons", mapping=tmp_path / "m.toml")
        convert([tmp_path / "m.parquet"], tmp_path / "m.h5", options=options)
        theirs = read_showers(tmp_path / "m.h5").particles
        np.testing.assert_array_equal(theirs.identity(), ours.identity())
        np.testing.assert_array_equal(theirs.incident, ours.incident)

    def test_unknown_number_of_voxels(self, tmp_path):
        path = write(tmp_path / "x.hdf5", *toy(3, 100))
        with pytest.raises(
            DataFormatError, match=r"have 100 voxels, .* --geometry binning.xml"
        ):
            pieces(path)
        with pytest.raises(DataFormatError, match=r"expected 6480 for geometry 'cylinder'"):
            pieces(path, geometry="cylinder")
        with pytest.raises(GeometryError, match="found no such file, expected a binning XML"):
            pieces(path, geometry="nowhere.xml")

    def test_particle_has_to_be_known(self, tmp_path, toy_cylinder):
        (tmp_path / "g.toml").write_text(
            'name = "g"\nkind = "cylinder"\n[response]\nunit = "GeV"\ncounts = false\n'
            "[[layers]]\nr_edges_mm = [0, 1, 2]\n"
        )
        path = write(tmp_path / "x.hdf5", np.full(2, 500.0), np.full((2, 2), 50.0))
        with pytest.raises(DataFormatError, match=r"which particle it is of; .* --pdg"):
            pieces(path, geometry=str(tmp_path / "g.toml"))
        with pytest.raises(ConfigError, match="pdg 5555555: found no such particle"):
            pieces(path, geometry=str(tmp_path / "g.toml"), pdg=5555555)
        with h5py.File(path, "r+") as file:
            file.attrs["pdg"] = 11
        with pytest.raises(ConfigError, match="says its kinds itself, found pdg 11"):
            pieces(path, geometry=str(tmp_path / "g.toml"), pdg=22)
        with h5py.File(path, "r+") as file:
            del file.attrs["pdg"]
        # Cells come in the unit of the geometry.
        _, parts = pieces(path, geometry=str(tmp_path / "g.toml"), pdg=22)
        np.testing.assert_allclose(parts[0].showers, 0.05)

    @pytest.mark.parametrize(
        ("energies", "showers", "message"),
        [
            (np.ones((3, 1)), np.ones((4, 368)), r"shape \(3, 1\) and showers \(4, 368\)"),
            (np.ones((3, 2)), np.ones((3, 368)), r"shape \(3, 2\)"),
            (np.ones((3, 1)), np.ones(3), r"showers \(3,\)"),
            (np.ones((3, 1)), np.full((3, 368), b"a"), "has type |S1, expected numbers"),
        ],
    )
    def test_shapes(self, tmp_path, energies, showers, message):
        with h5py.File(tmp_path / "x.hdf5", "w") as file:
            file["incident_energies"], file["showers"] = energies, showers
        with pytest.raises(DataFormatError, match=message):
            pieces(tmp_path / "x.hdf5")

    def test_cut_off(self, tmp_path):
        path = write(tmp_path / "x.hdf5", *toy(3, 368))
        path.write_bytes(path.read_bytes()[:3000])
        with pytest.raises(DataFormatError, match="the file is cut off"):
            pieces(path)


class TestWriting:
    def test_challenge_reads_what_was_written(self, tmp_path):
        sample = load_sample("cylinder-test")
        convert(["cylinder-test"], tmp_path / "x.hdf5")
        showers, energies = challenge_reads(tmp_path / "x.hdf5", 6480)
        np.testing.assert_array_equal(showers, sample.showers)
        assert energies.shape == (600, 1)
        np.testing.assert_allclose(energies[:, 0], 1000 * sample.particles["energy_gev"])

    def test_layout_keeps_showers_and_repeats(self, tmp_path):
        sample = load_sample("cylinder-test")
        convert(["cylinder-test"], tmp_path / "x.hdf5")
        convert([tmp_path / "x.hdf5"], tmp_path / "x.h5")
        back = read_showers(tmp_path / "x.h5")
        np.testing.assert_array_equal(back.showers, sample.showers)
        for name in back.particles.names:
            np.testing.assert_allclose(
                back.particles[name], sample.particles[name], rtol=1e-12, err_msg=name
            )
        ours, truth = back.particles.incident, sample.particles.incident
        np.testing.assert_array_equal(ours[:, None] == ours, truth[:, None] == truth)
        assert back.provenance["source"]["input_formats"] == ["caloforge"]

    def test_threshold_is_the_challenge_s(self, tmp_path):
        showers = load_sample("cylinder-test").showers
        convert(["cylinder-test"], tmp_path / "x.hdf5", threshold="challenge")
        found, _ = challenge_reads(tmp_path / "x.hdf5", 6480)
        minimum = 0.5e-3 / 0.033  # MeV, of data sets 2 and 3 in evaluate.py
        np.testing.assert_array_equal(found, np.where(showers < minimum, 0, showers))
        assert (found != showers).any()

    def test_thresholds_of_all_data_sets(self, toy_cylinder):
        assert challenge_threshold(load_geometry("calochallenge-1-pions")) == 1.0
        fine = load_geometry("cylinder-fine")
        assert challenge_threshold(fine) == pytest.approx(0.01515, rel=1e-3)
        in_gev = DetectorGeometry("x", "x", fine.layout, "GeV", counts=False)
        assert challenge_threshold(in_gev) == pytest.approx(1.515e-5, rel=1e-3)
        with pytest.raises(ConfigError, match="is none of the challenge's"):
            challenge_threshold(toy_cylinder)

    def test_several_kinds_are_refused(self, tmp_path, toy_cylinder, toy_sample):
        sample = toy_sample(toy_cylinder, 30)
        with ShowerWriter(tmp_path / "a.h5", toy_cylinder, provenance={}) as writer:
            writer.append(sample.particles, sample.showers)
        with pytest.raises(DataFormatError, match=r"several kinds .gamma, n, pi\+.* --kinds"):
            convert([tmp_path / "a.h5"], tmp_path / "x.hdf5")
        assert not (tmp_path / "x.hdf5").exists()

    def test_grid_is_refused(self, tmp_path):
        with pytest.raises(DataFormatError, match="is a grid in photons, expected a cylinder"):
            convert(["zn-test"], tmp_path / "x.hdf5")

    @settings(max_examples=25, deadline=None)
    @given(
        n=st.integers(1, 20),
        gev=st.booleans(),
        pdg=st.sampled_from([11, -11, 22, 211, 2112, 130]),
        seed=st.integers(0, 2**31),
    )
    def test_round_trip(self, tmp_path_factory, toy_cylinder, toy_sample, n, gev, pdg, seed):
        tmp_path = tmp_path_factory.mktemp("trip")
        sample = toy_sample(toy_cylinder, n, repeats=1, seed=seed)
        geometry = DetectorGeometry(
            "toy", "toy", toy_cylinder.layout, "GeV" if gev else "MeV", counts=False
        )
        columns = {**sample.particles.columns, "pdg": np.full(n, pdg)}
        particles = Particles(columns, sample.particles.incident)
        with ShowerWriter(tmp_path / "a.h5", geometry, provenance={}) as writer:
            writer.append(particles, sample.showers)
        convert([tmp_path / "a.h5"], tmp_path / "b.hdf5", binning=tmp_path / "b.xml")
        challenge_reads(tmp_path / "b.hdf5", 15)
        convert([tmp_path / "b.hdf5"], tmp_path / "c.h5")
        back = read_showers(tmp_path / "c.h5")
        assert back.geometry == geometry
        np.testing.assert_allclose(back.showers, sample.showers, rtol=3e-7)
        np.testing.assert_array_equal(back.particles["energy_gev"], particles["energy_gev"])
        assert (back.particles["pdg"] == pdg).all()

    @settings(max_examples=10, deadline=None)
    @given(seed=st.integers(0, 2**31))
    def test_no_particle_changes_side(self, tmp_path_factory, toy_cylinder, seed):
        tmp_path = tmp_path_factory.mktemp("side")
        energies = np.exp(np.random.default_rng(seed).uniform(-3, 9, 2000))
        columns = {name: np.zeros(2000) for name in PARTICLE_COLUMNS}
        columns |= {"pdg": np.full(2000, 22), "energy_gev": energies, "pz_gev": energies}
        with ShowerWriter(tmp_path / "a.h5", toy_cylinder, provenance={}) as writer:
            showers = np.ones((2000, toy_cylinder.n_cells), np.float32)
            writer.append(Particles(columns, np.arange(2000)), showers)
        convert([tmp_path / "a.h5"], tmp_path / "b.hdf5")
        convert([tmp_path / "b.hdf5"], tmp_path / "c.h5")
        before, after = (read_showers(tmp_path / name) for name in ("a.h5", "c.h5"))
        np.testing.assert_array_equal(after.particles.identity(), before.particles.identity())
        for now, then in zip(
            *(partition(s, SplitPlan()) for s in (after, before)), strict=True
        ):
            np.testing.assert_array_equal(now, then)

    def test_energies_that_were_changed_afterwards_count(self, tmp_path):
        convert(["cylinder-test"], tmp_path / "x.hdf5")
        with h5py.File(tmp_path / "x.hdf5", "r+") as file:
            file["incident_energies"][7] = 4321.0
        _, parts = pieces(tmp_path / "x.hdf5", size=600)
        energy = parts[0].columns["energy_gev"]
        assert energy[7] == 4.321
        before = load_sample("cylinder-test").particles["energy_gev"]
        np.testing.assert_array_equal(np.delete(energy, 7), np.delete(before, 7))
