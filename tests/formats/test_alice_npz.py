import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.data import load_sample, read_showers
from caloforge.errors import CaloforgeError, DataFormatError, OutputError
from caloforge.formats.conversion import convert
from caloforge.formats.format import ReadOptions
from caloforge.formats.npz.alice import CONDITIONS
from caloforge.formats.npz.arrays import stored_arrays
from caloforge.formats.registry import open_showers, recognised, source_sets

RESPONSES, PARTICLES = "data_nonrandom_responses.npz", "data_nonrandom_particles.npz"


@pytest.fixture(scope="module")
def sample():
    return load_sample("zp-test").select(slice(0, 50))


def table(sample):
    return np.stack([sample.particles[name] for name in CONDITIONS], axis=1)


@pytest.fixture
def folder(tmp_path, sample):
    """The two files as ALICE's groups write them."""
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / RESPONSES, sample.showers.reshape(-1, 56, 30))
    np.savez(tmp_path / "data" / PARTICLES, table(sample))
    return tmp_path / "data"


def pieces(*paths, size=7, **options):
    with open_showers(paths, options=ReadOptions(**options)) as source:
        return source, list(source.pieces(size))


def showers(parts):
    return np.concatenate([part.showers for part in parts])


class TestReading:
    def test_conditions_are_in_the_order_of_the_data_set(self):
        assert CONDITIONS == (
            "energy_gev",
            "x_cm",
            "y_cm",
            "z_cm",
            "px_gev",
            "py_gev",
            "pz_gev",
            "mass_mev",
            "charge_e",
            "pdg",
        )

    @pytest.mark.parametrize(
        "named", [(".",), (RESPONSES,), (PARTICLES,), (PARTICLES, RESPONSES)]
    )
    def test_either_file_or_the_folder_names_both(self, folder, sample, named):
        source, parts = pieces(*(folder / name for name in named))
        assert source.geometry.name == "zp"
        assert source.n_showers == 50
        np.testing.assert_array_equal(showers(parts), sample.showers)
        for name in CONDITIONS:
            np.testing.assert_array_equal(
                np.concatenate([part.columns[name] for part in parts]), sample.particles[name]
            )

    def test_repeats_are_found_by_equal_conditions(self, folder, sample, tmp_path):
        convert([folder], tmp_path / "a.h5")
        ours = read_showers(tmp_path / "a.h5").particles.incident
        truth = sample.particles.incident
        np.testing.assert_array_equal(ours[:, None] == ours, truth[:, None] == truth)

    def test_one_file_of_all_arrays(self, tmp_path, sample):
        np.savez_compressed(
            tmp_path / "zp.npz",
            response=sample.showers.reshape(-1, 56, 30),
            conditions=table(sample)[:, :9],
            pdg=sample.particles["pdg"],
            incident=sample.particles.incident,
            cpu_seconds=sample.cpu_seconds,
        )
        _, parts = pieces(tmp_path / "zp.npz")
        np.testing.assert_array_equal(showers(parts), sample.showers)
        for name, truth in (
            ("incident", sample.particles.incident),
            ("cpu_seconds", sample.cpu_seconds),
        ):
            np.testing.assert_array_equal(
                np.concatenate([getattr(part, name) for part in parts]), truth
            )

    @pytest.mark.parametrize("shape", [(-1, 1680), (-1, 56, 30, 1), (-1, 1, 56, 30)])
    def test_flat_responses_and_channel_axes(self, folder, sample, shape):
        np.savez(folder / RESPONSES, sample.showers.reshape(shape).astype(np.float32))
        source, parts = pieces(folder)
        assert source.geometry.name == "zp"
        np.testing.assert_array_equal(showers(parts), sample.showers)

    def test_npy_files(self, folder, sample):
        for name, array in ((RESPONSES, sample.showers), (PARTICLES, table(sample))):
            (folder / name).unlink()
            np.save(folder / name.replace(".npz", ".npy"), array)
        _, parts = pieces(folder / RESPONSES.replace(".npz", ".npy"))
        np.testing.assert_array_equal(showers(parts), sample.showers)

    def test_several_pairs_in_a_folder_are_told_apart_by_name(self, folder, sample):
        np.savez(folder / "b_responses.npz", sample.showers[:3].reshape(-1, 56, 30))
        np.savez(folder / "b_particles.npz", table(sample)[:3])
        sets = source_sets([folder])
        assert [[path.name for path in group] for _, group in sets] == [
            ["b_responses.npz", "b_particles.npz"],
            [RESPONSES, PARTICLES],
        ]

    def test_particle_without_kind_needs_one(self, folder, sample):
        np.savez(folder / PARTICLES, table(sample)[:, :9])
        with pytest.raises(DataFormatError, match=r"has 9 columns and no pdg, .* --pdg"):
            pieces(folder)
        source, parts = pieces(folder, pdg=2212)
        assert (parts[0].columns["pdg"] == 2212).all()
        assert source.conversions == ("pdg: 2212 for all, as was said",)

    def test_own_detector(self, tmp_path):
        geometry = tmp_path / "g.toml"
        geometry.write_text(
            'name = "g"\nkind = "grid"\n[response]\nunit = "GeV"\ncounts = false\n'
            "[grid]\ncells = [3, 5]\n"
        )
        np.savez(tmp_path / "responses.npz", np.ones((4, 3, 5)))
        np.savez(tmp_path / "particles.npz", np.ones((4, 10)))
        source, _ = pieces(tmp_path / "responses.npz", geometry=str(geometry))
        assert source.geometry.n_cells == 15
        with pytest.raises(DataFormatError, match=r"are 3 x 5, expected 44 x 44 for .*'zn'"):
            pieces(tmp_path / "responses.npz", geometry="zn")


class TestBadInput:
    def test_particles_are_missing(self, folder):
        (folder / PARTICLES).unlink()
        with pytest.raises(DataFormatError, match=f"no particles .* '{PARTICLES}' beside"):
            pieces(folder)

    def test_rows_do_not_match(self, folder, sample):
        np.savez(folder / PARTICLES, table(sample)[:-1])
        with pytest.raises(DataFormatError, match="has 49 rows, expected 50"):
            pieces(folder)

    def test_transposed_responses_are_suspected(self, folder, sample):
        np.savez(folder / RESPONSES, np.zeros((50, 30, 56)))
        with pytest.raises(DataFormatError, match=r"are 30 x 56 .x and y exchanged"):
            pieces(folder)

    def test_other_arrays(self, tmp_path):
        np.savez(tmp_path / "x.npz", weights=np.zeros((3, 4)))
        with pytest.raises(DataFormatError, match=r"found arrays weights \(3, 4\), expected"):
            pieces(tmp_path / "x.npz")

    def test_objects_are_not_unpickled(self, folder):
        np.savez(folder / PARTICLES, np.array([{}, {}], dtype=object))
        assert recognised(folder / PARTICLES).name == "pickle"
        for array in stored_arrays(folder / PARTICLES):
            with pytest.raises(DataFormatError, match="pickled objects, which can run any"):
                list(array.rows(1))

    def test_columns_in_fortran_order_cannot_be_streamed(self, folder, sample):
        np.savez(folder / RESPONSES, np.asfortranarray(sample.showers.reshape(-1, 56, 30)))
        with pytest.raises(DataFormatError, match="cannot be read row by row"):
            pieces(folder)

    def test_cut_off(self, folder):
        path = folder / RESPONSES
        path.write_bytes(path.read_bytes()[:5000])
        with pytest.raises(DataFormatError, match=r"zip archive .npz.. that is cut off"):
            pieces(path)
        with pytest.raises(DataFormatError, match="the file is cut off"):
            pieces(folder)

    def test_damaged_numbers(self, folder):
        path = folder / RESPONSES
        content = bytearray(path.read_bytes())
        content[5000] ^= 1
        path.write_bytes(content)
        with pytest.raises(DataFormatError, match=r"\['arr_0'\]: damaged .Bad CRC"):
            pieces(folder)

    def test_array_shorter_than_it_says(self, folder, sample):
        np.save(folder / "r.npy", sample.showers.reshape(-1, 56, 30))
        whole = (folder / "r.npy").read_bytes()
        with zipfile.ZipFile(folder / RESPONSES, "w") as archive:
            archive.writestr("arr_0.npy", whole[:-10])
        with pytest.raises(DataFormatError, match="the array is cut off"):
            pieces(folder / RESPONSES)


class TestWriting:
    def test_numpy_reads_what_was_written(self, folder, sample, tmp_path):
        convert([folder], tmp_path / "out", to="alice-npz")
        with np.load(tmp_path / "out" / RESPONSES) as file:
            np.testing.assert_array_equal(file["arr_0"], sample.showers.reshape(-1, 56, 30))
            assert file["arr_0"].dtype == np.uint16
        with np.load(tmp_path / "out" / PARTICLES) as file:
            np.testing.assert_array_equal(file["arr_0"], table(sample))
            assert json.loads(str(file["provenance"]))["showers_read"] == 50

    def test_nothing_is_left_after_a_failure(self, folder, tmp_path):
        np.savez(folder / PARTICLES, np.full((50, 10), np.nan))
        with pytest.raises(DataFormatError, match="not finite"):
            convert([folder], tmp_path / "out", to="alice-npz")
        assert not (tmp_path / "out").exists()

    def test_full_folder_is_not_overwritten_unasked(self, folder, tmp_path):
        convert([folder], tmp_path / "out", to="alice-npz")
        with pytest.raises(OutputError, match="folder is not empty"):
            convert([folder], tmp_path / "out", to="alice-npz")
        convert([folder], tmp_path / "out", to="alice-npz", force=True)
        assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [PARTICLES, RESPONSES]

    def test_cylinder_has_no_pictures(self, tmp_path):
        with pytest.raises(DataFormatError, match="is a cylinder, expected a grid"):
            convert(["cylinder-test"], tmp_path / "out", to="alice-npz")

    @settings(max_examples=15, deadline=None)
    @given(
        n=st.integers(1, 9),
        largest=st.sampled_from([1, 65535, 65536, 2**32 - 1]),
        seed=st.integers(0, 2**31),
    )
    def test_round_trip(self, tmp_path_factory, sample, n, largest, seed):
        from caloforge.data import ShowerWriter

        tmp_path = tmp_path_factory.mktemp("trip")
        rng = np.random.default_rng(seed)
        rows = rng.integers(0, 50, n)
        cells = rng.integers(0, largest, (n, 1680), endpoint=True, dtype=np.uint32)
        particles = sample.particles.select(rows)
        with ShowerWriter(
            tmp_path / "a.h5", sample.geometry, provenance={}, dtype="uint32"
        ) as writer:
            writer.append(particles, cells, sample.cpu_seconds[rows])
        convert([tmp_path / "a.h5"], tmp_path / "npz", to="alice-npz")
        convert([tmp_path / "npz"], tmp_path / "b.h5")
        back = read_showers(tmp_path / "b.h5")
        np.testing.assert_array_equal(back.showers, cells)
        assert back.showers.dtype == (np.uint32 if cells.max() > 65535 else np.uint16)
        np.testing.assert_array_equal(back.cpu_seconds, sample.cpu_seconds[rows])
        np.testing.assert_array_equal(back.particles.incident, particles.incident)
        np.testing.assert_array_equal(back.particles.identity(), particles.identity())


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_changed_bytes_end_in_one_line_or_in_showers(tmp_path_factory, sample, data):
    folder = tmp_path_factory.mktemp("damage")
    np.savez_compressed(folder / RESPONSES, sample.showers[:4].reshape(-1, 56, 30))
    np.savez(folder / PARTICLES, table(sample)[:4])
    path = folder / data.draw(st.sampled_from([RESPONSES, PARTICLES]))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    length = data.draw(st.just(len(content)) | st.integers(1, len(content)))
    path.write_bytes(content[:length])
    message = ""
    try:
        convert([folder / RESPONSES], folder / "out.h5")
    except CaloforgeError as error:
        message = str(error)
    assert "\n" not in message
    assert (folder / "out.h5").exists() == (message == "")


@pytest.mark.parametrize("text", ["run 7 of March", "[1, 2]", "3", "[" * 100_000, ""])
def test_an_array_that_is_called_provenance_by_chance(tmp_path, sample, text):
    cells, particles = sample.showers.reshape(-1, 56, 30), table(sample)
    np.savez(tmp_path / "a.npz", cells=cells, particles=particles, provenance=np.array(text))
    source, parts = pieces(tmp_path / "a.npz")
    assert source.provenance == {}
    np.testing.assert_array_equal(showers(parts), sample.showers)


def test_particle_numbers_are_not_cut(tmp_path, sample):
    numbers = np.arange(50) / 2
    cells, particles = sample.showers.reshape(-1, 56, 30), table(sample)
    np.savez(tmp_path / "a.npz", cells=cells, particles=particles, incident=numbers)
    with pytest.raises(DataFormatError, match=r"a.npz: 'incident' has 0.5 in row 1"):
        pieces(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", cells=cells, particles=particles, incident=2 * numbers)
    assert pieces(tmp_path / "a.npz")[1][0].incident.tolist() == list(range(7))
