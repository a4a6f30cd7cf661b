import json
import subprocess
import sys
from itertools import pairwise

import h5py
import numpy as np
import pytest

from caloforge.data import ShowerFile, ShowerSample, ShowerWriter, read_particles, read_showers
from caloforge.errors import DataFormatError, OutputError


def write(path, sample, **options):
    with ShowerWriter(path, sample.geometry, provenance=sample.provenance, **options) as writer:
        writer.append(sample.particles, sample.showers, sample.cpu_seconds)
    return path


def write_pieces(path, geometry, *pieces):
    with ShowerWriter(path, geometry, provenance={}) as writer:
        for piece in pieces:
            writer.append(*piece)


@pytest.fixture
def sample(toy_grid, toy_sample):
    return toy_sample(toy_grid)


@pytest.fixture
def path(tmp_path, sample):
    return write(tmp_path / "showers.h5", sample)


class TestRoundTrip:
    @pytest.mark.parametrize("detector", ["toy_grid", "toy_cylinder"])
    def test_everything_comes_back(self, request, tmp_path, toy_sample, detector):
        before = toy_sample(request.getfixturevalue(detector))
        after = read_showers(write(tmp_path / "showers.h5", before))
        assert after.showers.dtype == before.showers.dtype
        np.testing.assert_array_equal(after.showers, before.showers)
        np.testing.assert_array_equal(after.cpu_seconds, before.cpu_seconds)
        np.testing.assert_array_equal(after.particles.incident, before.particles.incident)
        for name in before.particles.names:
            np.testing.assert_array_equal(after.particles[name], before.particles[name])
        assert after.geometry == before.geometry
        assert after.provenance == before.provenance

    def test_pieces_of_any_size_make_the_same_file(self, tmp_path, sample, path):
        edges = [0, 0, 1, 30, 31, 31, 80]
        parts = [sample.select(slice(*pair)) for pair in pairwise(edges)]
        pieces = [(part.particles, part.showers, part.cpu_seconds) for part in parts]
        write_pieces(tmp_path / "pieces.h5", sample.geometry, *pieces)
        with ShowerFile(tmp_path / "pieces.h5") as pieces, ShowerFile(path) as whole:
            assert len(pieces) == len(whole) == 80
            assert pieces.sha256() == whole.sha256()

    def test_chunks_cover_the_file_once(self, sample, path):
        with ShowerFile(path) as file:
            chunks = list(file.chunks(33))
        assert [start for start, _, _ in chunks] == [0, 33, 66]
        np.testing.assert_array_equal(np.concatenate([s for _, _, s in chunks]), sample.showers)
        energies = np.concatenate([p["energy_gev"] for _, p, _ in chunks])
        np.testing.assert_array_equal(energies, sample.particles["energy_gev"])

    def test_parts_and_columns(self, sample, path):
        with ShowerFile(path) as file:
            np.testing.assert_array_equal(file.read(5, 9), sample.showers[5:9])
            np.testing.assert_array_equal(file.cpu_seconds(5, 9), sample.cpu_seconds[5:9])
            assert file.column("incident").tolist() == sample.particles.incident.tolist()
            with pytest.raises(DataFormatError, match="no column 'energy'; known: charge_e"):
                file.column("energy")

    def test_times_are_optional(self, tmp_path, sample):
        with ShowerWriter(tmp_path / "s.h5", sample.geometry, provenance={}) as writer:
            writer.append(sample.particles, sample.showers)
        with ShowerFile(tmp_path / "s.h5") as file:
            assert not file.has_cpu_seconds
            assert file.cpu_seconds() is None

    def test_particles_of_a_shower_file_are_a_particle_table(self, sample, path):
        assert (read_particles(path).identity() == sample.particles.identity()).all()

    def test_sum_changes_with_one_photon_but_not_with_the_time(self, tmp_path, sample, path):
        brighter = sample.showers.copy()
        brighter[3, 2] += 1
        sums = []
        for showers, times in ((sample.showers, None), (brighter, sample.cpu_seconds)):
            with ShowerWriter(
                tmp_path / "s.h5", sample.geometry, provenance={}, force=True
            ) as w:
                w.append(sample.particles, showers, times)
            with ShowerFile(tmp_path / "s.h5") as file:
                sums.append(file.sha256())
        with ShowerFile(path) as file:
            assert sums[0] == file.sha256() != sums[1]


class TestSample:
    def test_select(self, sample):
        part = sample.select([4, 2])
        np.testing.assert_array_equal(part.showers, sample.showers[[4, 2]])
        assert part.particles.incident.tolist() == [2, 1]
        mask = sample.particles.incident == 3
        assert len(sample.select(mask)) == len(sample.select(slice(6, 8))) == 2
        np.testing.assert_array_equal(sample.select(mask).cpu_seconds, sample.cpu_seconds[6:8])

    def test_lengths_must_agree(self, sample):
        with pytest.raises(
            DataFormatError, match="found 79 showers, 80 particles and 80 times"
        ):
            ShowerSample(
                sample.particles,
                sample.showers[1:],
                sample.geometry,
                sample.cpu_seconds,
                {},
                "toy",
            )


class TestWriter:
    def test_existing_file_needs_force_and_survives_a_failure(self, path, sample):
        before = path.read_bytes()
        with pytest.raises(OutputError, match="exists already"):
            write(path, sample)

        def fail():
            with ShowerWriter(path, sample.geometry, provenance={}, force=True) as writer:
                writer.append(sample.particles, sample.showers)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        assert path.read_bytes() == before
        assert [p.name for p in path.parent.iterdir()] == ["showers.h5"]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda s: s[:, 1:], r"showers have shape \(80, 23\), expected \(n, 24\)"),
            (
                lambda s: s.reshape(80, 6, 4),
                r"they match when flattened: reshape to \(-1, 24\)",
            ),
            (lambda s: s[1:], r"incident has shape \(80,\), expected \(79,\)"),
            (lambda s: s.astype(int) - 1, "cells are negative or not finite"),
            (lambda s: s + 0.5, "cells are not integers, first in shower 0 at cell 0"),
            (lambda s: s.astype(str), "cells have type <U5, expected numbers"),
            (
                lambda s: s + 70_000,
                r"the largest cell is 70\d+, expected at most 65535 in uint",
            ),
        ],
    )
    def test_bad_showers_leave_nothing(self, tmp_path, sample, change, message):
        showers = sample.showers.astype(np.int64)
        with (
            pytest.raises(DataFormatError, match=message),
            ShowerWriter(tmp_path / "s.h5", sample.geometry, provenance={}) as writer,
        ):
            writer.append(
                sample.particles,
                change(showers if "not" in message or "largest" in message else sample.showers),
            )
        assert list(tmp_path.iterdir()) == []

    def test_place_of_a_bad_cell_counts_from_the_start_of_the_file(self, tmp_path, sample):
        bad = sample.showers.astype(float)
        bad[3, 7] = np.nan
        where = r"^showers for .*: 1 cells are negative or .* in shower 83 at cell 7 \(nan\)"
        with pytest.raises(DataFormatError, match=where):
            write_pieces(
                tmp_path / "s.h5",
                sample.geometry,
                (sample.particles, sample.showers),
                (sample.particles, bad),
            )

    def test_large_counts_fit_when_asked(self, tmp_path, sample):
        showers = sample.showers.astype(np.int64) + 70_000
        with ShowerWriter(
            tmp_path / "s.h5", sample.geometry, provenance={}, dtype="uint32"
        ) as writer:
            writer.append(sample.particles, showers)
        np.testing.assert_array_equal(read_showers(tmp_path / "s.h5").showers, showers)

    def test_pieces_must_have_the_same_columns(self, tmp_path, sample):
        piece = (sample.particles, sample.showers)
        with pytest.raises(DataFormatError, match="pieces differ in column cpu_seconds"):
            write_pieces(
                tmp_path / "s.h5", sample.geometry, (*piece, sample.cpu_seconds), piece
            )

    def test_file_without_showers_is_refused(self, tmp_path, sample):
        none = sample.select([])
        for pieces in ([], [(none.particles, none.showers)]):
            with pytest.raises(DataFormatError, match="found no shower to write"):
                write_pieces(tmp_path / "s.h5", sample.geometry, *pieces)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("limit", [1_000, 20_000, 300_000])
    def test_full_disk_is_one_line_and_leaves_nothing(self, tmp_path, limit):
        # A limit on the size of files is a full disk that a test can have; HDF5's own answer to
        # either is a segmentation fault when the process ends.
        script = f"""
import resource
import numpy as np
from caloforge.data import ShowerWriter, load_sample
from caloforge.errors import OutputError
sample = load_sample("zn-test")
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
noise = np.random.default_rng(0).integers(0, 60000, sample.showers.shape, dtype=np.uint16)
try:
    with ShowerWriter({str(tmp_path / "s.h5")!r}, sample.geometry, provenance={{}}) as writer:
        for _ in range(3):
            writer.append(sample.particles, noise)
except OutputError as error:
    print(error, error.exit_code)
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (
            f"{tmp_path / 's.h5'}: cannot be written (File too large); free some space, "
            "nothing was left there 1\n"
        )
        assert list(tmp_path.iterdir()) == []


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def replace(file, name, data):
    del file[name]
    if data is not None:
        file[name] = data


class TestBadFiles:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                lambda f: f.attrs.pop("format"),
                "an HDF5 file of another program .it holds charge",
            ),
            (lambda f: f.attrs.__setitem__("version", 2), "version 2 .*install a newer calofo"),
            (lambda f: f.attrs.__setitem__("version", "x"), "attribute version is 'x'"),
            (lambda f: f.attrs.__setitem__("geometry", "{"), "geometry is not valid JSON"),
            (lambda f: f.attrs.__setitem__("geometry", "{}"), "key 'kind' is missing"),
            (
                lambda f: f.attrs.__setitem__("provenance", "3"),
                "provenance is not a JSON object",
            ),
            (lambda f: replace(f, "showers", None), "found no data set 'showers'"),
            (lambda f: replace(f, "mass_mev", None), "found no column mass_mev"),
            (lambda f: f.move("mass_mev", "mass_mv"), "'mass_mv'; did you mean 'mass_mev'"),
            (
                lambda f: replace(f, "x_cm", np.zeros(3)),
                r"'x_cm' has shape \(3,\), expected \(80",
            ),
            (lambda f: f.create_group("more"), "'more' has shape a group"),
            (lambda f: replace(f, "showers", np.ones((80, 6, 4))), "store them flat"),
            (lambda f: replace(f, "showers", np.ones((0, 24))), "found no shower"),
            (lambda f: replace(f, "showers", np.full((80, 24), -1)), "1920 cells are negative"),
            (lambda f: replace(f, "showers", np.full((80, 24), 0.5)), "are not integers"),
            (
                lambda f: replace(f, "x_cm", np.full(80, np.nan)),
                "showers.h5: column 'x_cm' has n",
            ),
        ],
    )
    def test_bad_content_is_refused(self, path, change, message):
        edit(path, change)
        with pytest.raises((DataFormatError, ValueError), match=message) as caught:
            read_showers(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (lambda b: b"", "the file is empty"),
            (lambda b: b"no HDF5", "not an HDF5 file"),
            (lambda b: b"PAR1", "turn it into a shower file: caloforge convert /.*h5 -o"),
            (lambda b: b"\x80\x04\x95no", "is a pickle, which is never opened; see docs"),
            (lambda b: b[:-100], "the file is cut off"),
            (lambda b: b[: len(b) // 2], "the file is cut off"),
            (lambda b: b[:40], "cut off|damaged"),
        ],
    )
    def test_damaged_files_are_refused(self, path, content, message):
        path.write_bytes(content(path.read_bytes()))
        with pytest.raises(DataFormatError, match=message):
            ShowerFile(path)

    def test_damaged_data_are_refused_when_read(self, path):
        with h5py.File(path) as file:
            where = file["showers"].id.get_chunk_info(0).byte_offset
        content = bytearray(path.read_bytes())
        content[where : where + 60] = bytes(60)
        path.write_bytes(content)
        with (
            ShowerFile(path) as file,
            pytest.raises(DataFormatError, match="'showers' is dama"),
        ):
            file.read()

    def test_missing_file_and_folder_are_refused(self, tmp_path):
        with pytest.raises(DataFormatError, match="found no such file, expected a shower file"):
            ShowerFile(tmp_path / "none.h5")
        with pytest.raises(DataFormatError, match="found a folder"):
            ShowerFile(tmp_path)


def test_plain_h5py_files_are_readable(tmp_path, sample):
    # What another program would write: no chunks, no compression, other types, no date.
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file.attrs.update(format="caloforge-showers", version=1)
        file.attrs["geometry"] = json.dumps(sample.geometry.as_dict())
        file["showers"] = sample.showers.astype(">i8")
        file["incident"] = sample.particles.incident.astype("int16")
        for name in sample.particles.names:
            file[name] = sample.particles[name]
    plain = read_showers(tmp_path / "plain.h5")
    np.testing.assert_array_equal(plain.showers, sample.showers)
    assert plain.provenance == {}


def test_attributes_of_fixed_length_are_read(tmp_path, toy_grid, toy_sample):
    # As C and Fortran write them.
    sample = toy_sample(toy_grid)
    path = tmp_path / "fixed.h5"
    with ShowerWriter(path, toy_grid, provenance={"simulation": "toy"}) as writer:
        writer.append(sample.particles, sample.showers)
    with h5py.File(path, "r+") as file:
        for name in ("format", "geometry", "provenance"):
            file.attrs[name] = np.bytes_(file.attrs[name].encode())
    with ShowerFile(path) as file:
        assert file.geometry == toy_grid
        assert file.provenance["simulation"] == "toy"
