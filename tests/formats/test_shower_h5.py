import shutil

import h5py
import numpy as np
import pytest

from caloforge.data import ShowerWriter
from caloforge.errors import ConfigError, DataFormatError, GeometryError
from caloforge.formats.conversion import convert
from caloforge.formats.format import LargeCountError, ReadOptions, WriteOptions
from caloforge.formats.shower_h5 import FORMAT


@pytest.fixture
def path(tmp_path, toy_grid, toy_sample):
    sample = toy_sample(toy_grid, 20)
    with ShowerWriter(tmp_path / "toy.h5", toy_grid, provenance={"a": 1}) as writer:
        writer.append(sample.particles, sample.showers, sample.cpu_seconds)
    return tmp_path / "toy.h5"


def read(path, **options):
    with FORMAT.read((path,), ReadOptions(**options)) as source:
        return source, list(source.pieces(9))


class TestReading:
    def test_values_are_those_of_the_file(self, path):
        source, pieces = read(path)
        assert source.provenance == {"a": 1}
        with h5py.File(path) as file:
            for name in file:
                found = [
                    {**p.columns, "showers": p.showers, "incident": p.incident}
                    | {"cpu_seconds": p.cpu_seconds}
                    for p in pieces
                ]
                np.testing.assert_array_equal(
                    np.concatenate([table[name] for table in found]), file[name][:]
                )

    def test_broken_values_are_shown_not_refused(self, path):
        with h5py.File(path, "r+") as file:
            file["energy_gev"][3] = -1.0
            file["x_cm"][4] = np.nan
            del file["incident"]
        _, pieces = read(path)
        assert pieces[0].columns["energy_gev"][3] == -1
        assert np.isnan(pieces[0].columns["x_cm"][4])
        assert pieces[0].incident is None

    def test_given_geometry_takes_the_place_of_the_file_s(self, path, tmp_path):
        (tmp_path / "other.toml").write_text(
            'name = "other"\nkind = "grid"\n[response]\nunit = "photons"\ncounts = true\n'
            "[grid]\ncells = [6, 4]\npitch_cm = [0.5, 0.5]\n"
        )
        source, _ = read(path, geometry=str(tmp_path / "other.toml"))
        assert source.geometry.layout.pitch_cm == (0.5, 0.5)
        assert source.conversions == ("geometry 'toy-grid' replaced by 'other'",)
        with pytest.raises(
            GeometryError, match=r"the file is of detector 'toy-grid' .*leave --geometry out"
        ):
            read(path, geometry="zn")

    def test_kind_that_differs_is_refused(self, path):
        with h5py.File(path, "r+") as file:
            file["pdg"][:] = 2112
        assert (read(path, pdg=2112)[1][0].columns["pdg"] == 2112).all()
        with pytest.raises(
            ConfigError, match=r"toy.h5: .*found pdg 2112, expected 22 by --pdg"
        ):
            read(path, pdg=22)

    def test_half_precision_is_silent_and_right(self, path, tmp_path):
        with h5py.File(path, "r+") as file:
            cells = file["showers"][:].astype(np.float16)
            del file["showers"]
            file["showers"] = cells
        convert([path], tmp_path / "b.h5")  # warnings are errors here
        with h5py.File(tmp_path / "b.h5") as file:
            np.testing.assert_array_equal(file["showers"][:], cells)
            assert file["showers"].dtype == np.uint16

    def test_missing_showers(self, path):
        with h5py.File(path, "r+") as file:
            file.move("showers", "Showers")
        with pytest.raises(DataFormatError, match="no data set 'showers'; did you mean 'Show"):
            read(path)

    @pytest.mark.parametrize("name", ["pdg", "energy_gev"])
    def test_missing_column_is_shown_and_not_converted(self, path, name, tmp_path):
        with h5py.File(path, "r+") as file:
            file.move(name, name.title())
        source, pieces = read(path)
        assert name not in source.columns
        assert set(pieces[0].columns) == set(source.columns)
        assert name.title() in source.columns
        again = shutil.copy(path, tmp_path / "again.h5")
        for inputs in ([path], [path, again]):
            with pytest.raises(DataFormatError, match=f"did you mean '{name}'"):
                convert(inputs, tmp_path / "out.h5")
        assert not (tmp_path / "out.h5").exists()

    def test_column_of_other_length(self, path):
        with h5py.File(path, "r+") as file:
            del file["x_cm"]
            file["x_cm"] = np.zeros(3)
        with pytest.raises(DataFormatError, match=r"'x_cm' has shape \(3,\), expected \(40,\)"):
            read(path)

    def test_damaged_chunk(self, path):
        with h5py.File(path) as file:
            place = file["showers"].id.get_chunk_info(0)
        with path.open("r+b") as file:
            file.seek(place.byte_offset + place.size // 2)
            file.write(b"\xff" * 16)
        with pytest.raises(DataFormatError, match="'showers' is damaged"):
            read(path)


class TestWriting:
    def test_provenance_may_grow_until_the_end(self, tmp_path, toy_grid, toy_sample):
        sample, provenance = toy_sample(toy_grid, 5), {"skipped": 0}
        with FORMAT.write(tmp_path / "a.h5", toy_grid, WriteOptions(provenance)) as sink:
            sink.append(sample.particles, sample.showers)
            # As of thousands of inputs: an attribute of HDF5 has little room of its own.
            provenance |= {"skipped": 3, "inputs": ["x" * 100] * 5000}
        source, _ = read(tmp_path / "a.h5")
        assert source.provenance == provenance

    def test_large_counts_ask_for_wider_integers(self, tmp_path, toy_grid, toy_sample):
        sample = toy_sample(toy_grid, 5)
        showers = sample.showers.astype(np.uint32)
        showers[3, 2] = 65536
        path = tmp_path / "a.h5"
        with (
            pytest.raises(LargeCountError) as caught,
            FORMAT.write(path, toy_grid, WriteOptions({})) as sink,
        ):
            sink.append(sample.particles, showers)
        assert not path.exists()
        with FORMAT.write(path, toy_grid, WriteOptions({}, dtype=caught.value.dtype)) as sink:
            sink.append(sample.particles, showers)
        _, pieces = read(path)
        assert pieces[0].showers[3, 2] == 65536
