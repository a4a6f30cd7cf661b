import pickle

import numpy as np
import pytest

from caloforge.data import ShowerWriter
from caloforge.data.sample import sample_path
from caloforge.errors import ConfigError, DataFormatError, GeometryError
from caloforge.formats.format import ReadOptions
from caloforge.formats.registry import (
    FORMATS,
    format_for,
    format_named,
    open_showers,
    recognised,
    source_sets,
)


def write(path, sample):
    with ShowerWriter(path, sample.geometry, provenance={"name": path.stem}) as writer:
        writer.append(sample.particles, sample.showers, sample.cpu_seconds)
    return path


class TestFormats:
    def test_names_are_unique_and_every_ending_means_one_format(self):
        names = [row.name for row in FORMATS]
        endings = [ending for row in FORMATS if row.write for ending in row.suffixes]
        assert len(set(names)) == len(names)
        assert len(set(endings)) == len(endings)

    def test_shower_file_is_found_by_content_not_by_name(self, tmp_path):
        copy = tmp_path / "showers.root"
        copy.write_bytes(sample_path("zn-test").read_bytes())
        assert recognised(copy).name == "caloforge"

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            (b"", "the file is empty"),
            (b"hello, these are words", "text \\('hello, these are words'\\)"),
            (b"\x00\x01\xfe\xff and so on", "unknown kind .it starts with 00 01 fe ff"),
            (b"PK\x03\x04 and then nothing", "a zip archive .npz.. that is cut off"),
        ],
    )
    def test_unknown_content_is_described(self, tmp_path, content, found):
        path = tmp_path / "showers.dat"
        path.write_bytes(content)
        with pytest.raises(DataFormatError, match=found):
            recognised(path)

    def test_hdf5_of_unknown_layout_names_what_it_holds(self, tmp_path):
        import h5py

        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["jets"] = np.zeros(3)
        with pytest.raises(DataFormatError, match=r"HDF5 file of unknown layout .it holds j"):
            recognised(tmp_path / "x.h5")

    def test_missing_file_and_empty_folder(self, tmp_path):
        with pytest.raises(DataFormatError, match="found no such file"):
            recognised(tmp_path / "x.h5")
        with pytest.raises(DataFormatError, match=r"without showers, .*two npz files or O2's"):
            recognised(tmp_path)
        (tmp_path / "showers.npz").touch()
        with pytest.raises(DataFormatError, match=r"'showers.npz' in it is empty"):
            recognised(tmp_path)

    def test_names_and_endings(self):
        assert format_named("calochallenge").name == "calochallenge"
        assert format_for("x.h5").name == "caloforge"
        assert format_for("x.hdf5").name == "calochallenge"
        assert format_for("x.dat", "caloforge").name == "caloforge"
        with pytest.raises(ConfigError, match="did you mean 'caloforge'"):
            format_named("califorge")
        with pytest.raises(ConfigError, match=r"found ending '.dat', expected one of .h5"):
            format_for("x.dat")
        with pytest.raises(ConfigError, match="pickles are never written"):
            format_for("x.pkl", "pickle")
        with pytest.raises(ConfigError, match="'o2-text': can only be read, expected one of"):
            format_for("x.txt", "o2-text")


class TestOpenShowers:
    def test_one_file_keeps_its_incident_numbers(self, tmp_path, toy_grid, toy_sample):
        sample = toy_sample(toy_grid, 20)
        path = write(tmp_path / "a.h5", sample)
        with open_showers([path]) as source:
            pieces = list(source.pieces(7))
        assert [len(piece.showers) for piece in pieces] == [7, 7, 7, 7, 7, 5]
        np.testing.assert_array_equal(
            np.concatenate([piece.incident for piece in pieces]), sample.particles.incident
        )

    def test_several_are_chained_in_their_order(self, tmp_path, toy_grid, toy_sample):
        first, second = toy_sample(toy_grid, 5, seed=1), toy_sample(toy_grid, 6, seed=2)
        paths = [write(tmp_path / "b.h5", first), write(tmp_path / "a.h5", second)]
        with open_showers(paths) as source:
            assert source.n_showers == 22
            assert list(source.provenance) == list(map(str, paths))
            pieces = list(source.pieces(1000))
        assert all(piece.incident is None for piece in pieces)
        np.testing.assert_array_equal(
            np.concatenate([piece.showers for piece in pieces]),
            np.concatenate([first.showers, second.showers]),
        )
        assert all(piece.cpu_seconds is not None for piece in pieces)

    def test_columns_and_times_that_not_all_have_are_left_out(
        self, tmp_path, toy_grid, toy_sample
    ):
        from caloforge.data import Particles

        sample = toy_sample(toy_grid, 5)
        path = write(tmp_path / "a.h5", sample)
        more = Particles(
            {**sample.particles.columns, "spin": np.zeros(10)}, sample.particles.incident
        )
        with ShowerWriter(tmp_path / "b.h5", toy_grid, provenance={}) as writer:
            writer.append(more, sample.showers)
        with open_showers([tmp_path / "b.h5", path]) as source:
            assert source.conversions[-1] == "left out, as not all files have it: spin"
            for piece in source.pieces(100):
                assert "spin" not in piece.columns
                assert piece.cpu_seconds is None

    def test_other_detector_is_refused(self, tmp_path, toy_grid, toy_cylinder, toy_sample):
        paths = [
            write(tmp_path / "a.h5", toy_sample(toy_grid, 5)),
            write(tmp_path / "b.h5", toy_sample(toy_cylinder, 5)),
        ]
        with (
            pytest.raises(GeometryError, match=r"b.h5: geometry 'toy-cylinder' .*a.h5"),
            open_showers(paths),
        ):
            pass

    def test_samples_have_names(self):
        with open_showers(["zp-test"]) as source:
            assert source.n_showers == 600

    @pytest.mark.parametrize("pdg", [0, 999999, 5555555, -22000])
    def test_a_kind_that_is_no_particle_is_refused(self, pdg):
        options = ReadOptions(pdg=pdg)
        with (
            pytest.raises(ConfigError, match=rf"pdg {pdg}: found no such particle"),
            open_showers(["zn-test"], options=options),
        ):
            pass

    @pytest.mark.parametrize("name", ["root", "parquet", "caloforge", "o2-text", "alice-npz"])
    def test_a_pickle_remains_one_whatever_it_is_taken_for(self, tmp_path, name):
        path = tmp_path / "x.h5"
        path.write_bytes(pickle.dumps({"showers": [1, 2, 3]}))
        with (
            pytest.raises(DataFormatError, match="found a pickle of Python"),
            open_showers([path], name),
        ):
            pass

    def test_nothing_and_twice_the_same_are_refused(self, tmp_path, toy_grid, toy_sample):
        path = write(tmp_path / "a.h5", toy_sample(toy_grid, 5))
        with pytest.raises(ConfigError, match="found no file to read"):
            source_sets([])
        with pytest.raises(ConfigError, match=r"a.h5: is named twice"):
            source_sets([path, tmp_path / "." / "a.h5"])
