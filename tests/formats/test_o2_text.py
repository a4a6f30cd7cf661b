"""Text of O2's extraction, written here as its C++ streams write it."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caloforge.data import load_sample, read_showers
from caloforge.errors import DataFormatError
from caloforge.formats.conversion import convert
from caloforge.formats.format import ReadOptions
from caloforge.formats.o2.numbers import NumberLines
from caloforge.formats.registry import open_showers, source_sets

SHAPES = {"neutron": (44, 44), "proton": (56, 30)}
COLUMNS = ("pdg", "energy_gev", "x_cm", "y_cm", "z_cm", "px_gev", "py_gev", "pz_gev")
HEADER = "Detector,Pdg,Energy,Vx,Vy,Vz,Px,Py,Pz,PhotonSum"


@pytest.fixture(scope="module")
def particles():
    return load_sample("zn-test").particles.select(slice(0, 30))


def responses(n, shape, seed=0):
    return np.random.default_rng(seed).poisson(0.05, (n, *shape))


def write_images(path, images):
    # A blank after every number, a line for each x: as O2 streams its vectors of vectors.
    lines = ("".join(f"{cell} " for cell in row) for image in images for row in image)
    path.write_text("\n".join(lines) + "\n")
    return path


def write_list(path, particles, sums, header=HEADER):
    rows = [header]
    for k in range(len(particles)):
        values = ",".join(f"{particles[name][k]:g}" for name in COLUMNS)
        rows += [f"{side},{values},{sums[side][k]}" for side in sums]
    path.write_text("\n".join(rows) + "\n")
    return path


def write_run(folder, particles, suffix="", seed=0):
    """All that one run leaves: returns the responses of both detectors."""
    n = len(particles)
    images = {side: responses(n, shape, seed) for side, shape in SHAPES.items()}
    for side, array in images.items():
        write_images(folder / f"{side}_image{suffix}.txt", array)
    sums = {side[0].upper(): array.sum(axis=(1, 2)) for side, array in images.items()}
    write_list(folder / f"non_zero_examples{suffix}.txt", particles, sums)
    (folder / f"zero_examples{suffix}.txt").write_text(f"{HEADER}\nN,22,1,0,0,0,0,0,1,0\n")
    return images


def read(paths, size=1000, **options):
    paths = paths if isinstance(paths, list) else [paths]
    with open_showers(paths, options=ReadOptions(**options)) as source:
        pieces = list(source.pieces(size))
        names = pieces[0].columns
        table = {name: np.concatenate([p.columns[name] for p in pieces]) for name in names}
        return source, table, np.concatenate([p.showers for p in pieces])


class TestReading:
    @pytest.mark.parametrize(("side", "name"), [("neutron", "zn"), ("proton", "zp")])
    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_a_folder_of_a_run(self, tmp_path, particles, side, name, size):
        images = write_run(tmp_path, particles)
        source, table, showers = read(tmp_path, size, geometry=name)
        assert (source.geometry.name, source.n_showers) == (name, 30)
        np.testing.assert_array_equal(showers, images[side].reshape(30, -1))
        for column in COLUMNS:
            np.testing.assert_allclose(table[column], particles[column], rtol=1e-5, atol=1e-12)
        np.testing.assert_array_equal(table["charge_e"], particles["charge_e"])
        np.testing.assert_allclose(table["mass_mev"], particles["mass_mev"], atol=0.01)

    def test_two_files_need_no_geometry(self, tmp_path, particles):
        images = write_run(tmp_path, particles)
        paths = [tmp_path / "proton_image.txt", tmp_path / "non_zero_examples.txt"]
        source, _, showers = read(paths)
        assert source.geometry.name == "zp"
        np.testing.assert_array_equal(showers, images["proton"].reshape(30, -1))

    def test_runs_are_paired_by_their_names(self, tmp_path, particles):
        first = write_run(tmp_path, particles, "_run1", seed=1)
        second = write_run(tmp_path, particles, "_run10", seed=2)
        assert [len(files) for _, files in source_sets([tmp_path])] == [3, 3]
        _, _, showers = read(tmp_path, geometry="zn")
        both = np.concatenate([first["neutron"], second["neutron"]])
        np.testing.assert_array_equal(showers, both.reshape(60, -1))

    def test_into_a_shower_file(self, tmp_path, particles):
        images = write_run(tmp_path, particles)
        convert([tmp_path], tmp_path / "zn.h5", options=ReadOptions(geometry="zn"))
        sample = read_showers(tmp_path / "zn.h5")
        np.testing.assert_array_equal(sample.showers, images["neutron"].reshape(30, -1))
        # Equal particles of the list keep an equal number.
        repeats = len(np.unique(particles.incident))
        assert len(np.unique(sample.particles.incident)) == repeats
        assert sample.provenance["conversions"]

    @pytest.mark.parametrize(
        ("separator", "end", "form"),
        [(",", "\n", "{}"), ("\t", "\n", "{}"), ("  ", "\r\n", "{}"), (" ", "\n", "{:.3e}")],
    )
    def test_text_of_other_programs(self, tmp_path, particles, separator, end, form):
        images = responses(30, (44, 44))
        lines = [separator.join(form.format(c) for c in row) for row in images.reshape(30, -1)]
        path = tmp_path / "cells.txt"
        path.write_bytes(f"# responses{end}{end.join(lines)}".encode())  # no last line end
        listed = write_list(tmp_path / "list.csv", particles, {"N": images.sum(axis=(1, 2))})
        source, _, showers = read([path, listed])
        assert source.geometry.name == "zn"
        np.testing.assert_array_equal(showers, images.reshape(30, -1))

    def test_x_along_the_line(self, tmp_path, particles):
        images = responses(30, (56, 30))
        path = write_images(tmp_path / "proton_image.txt", images.transpose(0, 2, 1))
        sums = {"P": images.sum(axis=(1, 2))}
        listed = write_list(tmp_path / "non_zero_examples.txt", particles, sums)
        with pytest.raises(DataFormatError, match=r"56 numbers a line, expected .*'yx'"):
            read([path, listed])
        mapping = tmp_path / "m.toml"
        mapping.write_text('[cells]\norder = "yx"')
        _, _, showers = read([path, listed], mapping=mapping)
        np.testing.assert_array_equal(showers, images.reshape(30, -1))

    def test_a_list_without_momenta(self, tmp_path, particles):
        # The columns of a newer extraction.
        images = write_run(tmp_path, particles)
        rows = ["Detector,Event,Counter,StatusCode,Pdg,Energy,Vx,Vy,Vz,PhotonSum"]
        sums = images["neutron"].sum(axis=(1, 2))
        rows += [f"ZNA,{k},7,1,22,{k + 1},0,0,0,{total}" for k, total in enumerate(sums)]
        listed = tmp_path / "non_zero_examples.txt"
        listed.write_text("\n".join(rows))
        paths = [tmp_path / "neutron_image.txt", listed]
        with pytest.raises(DataFormatError, match=r"no number for px_gev, py_gev, pz_gev"):
            read(paths)
        mapping = tmp_path / "m.toml"
        mapping.write_text(
            "[columns]\n"
            + "".join(f'p{axis}_gev = {{ derive_from = "direction" }}\n' for axis in "xyz")
            + "[direction]\nz = -1\n"
        )
        _, table, _ = read(paths, mapping=mapping)
        np.testing.assert_allclose(table["pz_gev"], -np.arange(1.0, 31))
        assert "Counter" not in table  # it would make equal particles differ

    def test_empty_responses_need_no_cells(self, tmp_path, particles):
        path = write_list(tmp_path / "zero_examples.txt", particles, {"N": [0] * 30})
        source, table, showers = read(path)
        assert source.geometry.name == "zn"
        assert showers.shape == (30, 1936)
        assert not showers.any()
        np.testing.assert_allclose(table["energy_gev"], particles["energy_gev"], rtol=1e-5)

    def test_lists_of_empty_responses_must_be_asked_for(self, tmp_path, particles):
        write_run(tmp_path, particles)
        ((_, files),) = source_sets([tmp_path])
        assert "zero_examples.txt" not in [path.name for path in files]

    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        cells=st.lists(
            st.lists(st.integers(-9, 10**6), min_size=3, max_size=3), min_size=1, max_size=30
        ),
        block=st.integers(1, 64),
        step=st.integers(1, 9),
    )
    def test_lines_come_back(self, tmp_path_factory, cells, block, step):
        path = tmp_path_factory.mktemp("lines") / "a.txt"
        np.savetxt(path, cells, fmt="%d")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("caloforge.formats.o2.numbers._BLOCK_BYTES", block)
            # The first line must be read whole to know how many numbers it has.
            patch.setattr("caloforge.formats.o2.numbers.first_width", lambda _: 3)
            lines = NumberLines(path)
            assert lines.count() == len(cells)
            parts = [lines.take(step) for _ in range(len(cells) // step + 1)]
        np.testing.assert_array_equal(np.concatenate(parts), cells)


class TestBadText:
    def test_both_detectors(self, tmp_path, particles):
        write_run(tmp_path, particles)
        with pytest.raises(DataFormatError, match=r"several detectors.*--geometry zn or zp"):
            read(tmp_path)

    def test_responses_without_particles(self, tmp_path, particles):
        write_run(tmp_path, particles)
        with pytest.raises(DataFormatError, match="responses but no particles"):
            read(tmp_path / "neutron_image.txt")

    def test_particles_without_responses(self, tmp_path, particles):
        write_run(tmp_path, particles)
        with pytest.raises(DataFormatError, match="particles but no cells"):
            read(tmp_path / "non_zero_examples.txt", geometry="zn")

    def test_files_of_different_runs(self, tmp_path, particles):
        write_run(tmp_path, particles)
        other = write_images(tmp_path / "other.txt", responses(30, (44, 44), seed=5))
        with pytest.raises(DataFormatError, match=r"response \d+ has .* same run\?"):
            read([other, tmp_path / "non_zero_examples.txt"], geometry="zn")

    def test_several_files_of_responses_for_one_list(self, tmp_path, particles):
        write_run(tmp_path, particles)
        other = write_images(tmp_path / "other.txt", responses(30, (44, 44), seed=5))
        with pytest.raises(
            DataFormatError, match=r"several files of responses \(other.txt, neu"
        ):
            read([other, tmp_path / "neutron_image.txt", tmp_path / "non_zero_examples.txt"])

    def test_more_particles_than_responses(self, tmp_path, particles):
        write_run(tmp_path, particles)
        image = tmp_path / "neutron_image.txt"
        image.write_text("\n".join(image.read_text().splitlines()[: 44 * 29]))
        with pytest.raises(DataFormatError, match="29 responses and 30 particles"):
            read([image, tmp_path / "non_zero_examples.txt"])

    def test_a_file_that_is_cut_off(self, tmp_path, particles):
        write_run(tmp_path, particles)
        image = tmp_path / "neutron_image.txt"
        text = image.read_text()
        image.write_text("\n".join(text.splitlines()[:-3]))
        with pytest.raises(DataFormatError, match=r"expected 44 for each response.*cut off"):
            read(tmp_path, geometry="zn")
        image.write_text(text[:-20])
        with pytest.raises(DataFormatError, match=r"line 1320 has \d+ numbers, expected 44"):
            read(tmp_path, geometry="zn")

    @pytest.mark.parametrize("word", ["x", "1.2.3", "0x1f", "--"])
    def test_a_word_that_is_no_number(self, tmp_path, particles, word):
        write_run(tmp_path, particles)
        image = tmp_path / "neutron_image.txt"
        lines = image.read_text().splitlines()
        lines[100] = " ".join([word, *lines[100].split()[1:]])
        image.write_text("\n".join(lines))
        with pytest.raises(DataFormatError, match=f"line 101 holds '{word}', expected numbers"):
            read(tmp_path, geometry="zn")

    @pytest.mark.parametrize(
        ("row", "message"), [("N,22,x,0,0,0,0,0,1,5", "value 'x'"), ("N,22,1", "Expected 10")]
    )
    def test_a_broken_list(self, tmp_path, particles, row, message):
        write_run(tmp_path, particles)
        listed = tmp_path / "non_zero_examples.txt"
        lines = listed.read_text().splitlines()
        listed.write_text("\n".join([*lines[:5], row, *lines[6:]]))
        with pytest.raises(
            DataFormatError, match=f"not a readable list.*({message})"
        ) as caught:
            read([listed, tmp_path / "neutron_image.txt"])
        assert "\n" not in str(caught.value)

    def test_a_list_with_a_header_only(self, tmp_path, particles):
        write_run(tmp_path, particles)
        listed = tmp_path / "non_zero_examples.txt"
        listed.write_text(f"{HEADER}\n")
        with pytest.raises(DataFormatError) as caught:
            read([listed, tmp_path / "neutron_image.txt"])
        assert "\n" not in str(caught.value)

    def test_prose_is_not_taken_for_responses(self, tmp_path):
        path = tmp_path / "notes.txt"
        path.write_text("run 7 was bad\n1 2 3\n")
        with pytest.raises(DataFormatError, match="name its format with --from"):
            read(path)
        with (
            pytest.raises(DataFormatError),
            open_showers([path], "o2-text", ReadOptions()) as source,
        ):
            list(source.pieces(1))


def test_particle_numbers_are_not_cut(tmp_path, particles):
    cells = responses(3, (44, 44))
    write_images(tmp_path / "neutron_image.txt", cells)
    sums = {"N": cells.sum(axis=(1, 2))}
    path = write_list(tmp_path / "list.txt", particles.select(slice(0, 3)), sums)
    lines = path.read_text().splitlines()
    for numbers, message in (((0, 0.5, 1), "'incident' has 0.5 in row 1"), ((4, 5, 4), "")):
        added = zip(lines, ("incident", *numbers), strict=True)
        path.write_text("\n".join(f"{line},{number}" for line, number in added) + "\n")
        with open_showers([tmp_path / "neutron_image.txt", path]) as source:
            if message:
                with pytest.raises(DataFormatError, match=message):
                    list(source.pieces(5))
            else:
                assert next(source.pieces(5)).incident.tolist() == [4, 5, 4]
