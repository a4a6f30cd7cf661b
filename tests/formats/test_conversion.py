import hashlib
import subprocess
import sys
import textwrap
from itertools import pairwise

import h5py
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from caloforge.data import (
    Particles,
    ShowerFile,
    ShowerWriter,
    SplitPlan,
    load_sample,
    partition,
    read_showers,
)
from caloforge.data.identity import incident_numbers
from caloforge.data.splits.selection import Selection
from caloforge.errors import ConfigError, DataFormatError, OutputError
from caloforge.formats.conversion import convert, piece_rows
from caloforge.formats.format import ReadOptions
from caloforge.geometry import load_geometry
from caloforge.inspection import inspect_files


def write(path, sample, **more):
    with ShowerWriter(path, sample.geometry, provenance={"by": path.stem}, **more) as writer:
        writer.append(sample.particles, sample.showers, sample.cpu_seconds)
    return path


@pytest.fixture
def sample(toy_grid, toy_sample):
    return toy_sample(toy_grid, 40)


@pytest.fixture
def path(tmp_path, sample):
    return write(tmp_path / "a.h5", sample)


def broken(path, **values):
    """Put values into columns or cells: name=(row, value) or (row, cell, value)."""
    with h5py.File(path, "r+") as file:
        for name, (*place, value) in values.items():
            if name == "showers":
                cells = file["showers"][:].astype(np.float32)
                del file["showers"]
                file["showers"] = cells
            file[name][tuple(place)] = value
    return path


class TestConvert:
    def test_all_is_kept(self, path, sample, tmp_path):
        report = convert([path], tmp_path / "b.h5")
        back = read_showers(tmp_path / "b.h5")
        np.testing.assert_array_equal(back.showers, sample.showers)
        np.testing.assert_array_equal(back.cpu_seconds, sample.cpu_seconds)
        np.testing.assert_array_equal(back.particles.incident, sample.particles.incident)
        np.testing.assert_array_equal(back.particles.identity(), sample.particles.identity())
        assert (report.n_read, report.n_written, report.format) == (80, 80, "caloforge")
        assert sum(report.kinds.values()) == 80

    def test_where_showers_come_from_is_written(self, path, tmp_path):
        convert([path], tmp_path / "b.h5", selection=Selection(min_sum=50))
        provenance = read_showers(tmp_path / "b.h5").provenance
        assert provenance["inputs"] == [
            {
                "path": str(path),
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
        ]
        assert provenance["selection"]["min_sum"] == 50
        assert provenance["showers_read"] == 80
        assert provenance["showers_not_selected"] > 0
        assert provenance["source"] == {"by": "a"}
        assert "skipped" not in provenance

    def test_merged_files_agree_on_their_particles(self, toy_grid, toy_sample, tmp_path):
        # The same particles, numbered differently in the two files.
        first = toy_sample(toy_grid, 10)
        other = Particles(first.particles.columns, first.particles.incident + 1000)
        a = write(tmp_path / "a.h5", first)
        with ShowerWriter(tmp_path / "b.h5", toy_grid, provenance={}) as writer:
            writer.append(other, first.showers, first.cpu_seconds)
        convert([a, tmp_path / "b.h5"], tmp_path / "c.h5")
        merged = read_showers(tmp_path / "c.h5")
        assert len(merged) == 40
        incident = merged.particles.incident
        np.testing.assert_array_equal(incident[:20], incident[20:])
        np.testing.assert_array_equal(incident, incident_numbers(merged.particles.columns))
        assert set(merged.provenance["source"]) == {str(a), str(tmp_path / "b.h5")}

    def test_selection(self, path, sample, tmp_path):
        chosen = Selection(min_sum=30, max_sum=400, energy_gev=(20.0, 500.0), kinds=("n", "22"))
        report = convert([path], tmp_path / "b.h5", selection=chosen)
        back = read_showers(tmp_path / "b.h5")
        sums, pdg = sample.showers.sum(axis=1), sample.particles["pdg"]
        energy = sample.particles["energy_gev"]
        rows = (sums >= 30) & (sums <= 400) & (energy >= 20) & (energy <= 500) & (pdg != 211)
        np.testing.assert_array_equal(back.showers, sample.showers[rows])
        assert report.n_unselected == 80 - rows.sum()

    def test_nothing_selected(self, path, tmp_path):
        with pytest.raises(DataFormatError, match=r"no shower to write .read 80, .* >= 1e\+09"):
            convert([path], tmp_path / "b.h5", selection=Selection(min_sum=1e9))
        assert not (tmp_path / "b.h5").exists()

    def test_threshold(self, path, sample, tmp_path):
        report = convert([path], tmp_path / "b.h5", threshold=3)
        back = read_showers(tmp_path / "b.h5")
        np.testing.assert_array_equal(
            back.showers, np.where(sample.showers < 3, 0, sample.showers)
        )
        assert report.conversions == ["cells below 3 photons: set to 0"]
        with pytest.raises(ConfigError, match="found 'low', expected 'challenge' or 0 or more"):
            convert([path], tmp_path / "c.h5", threshold="low")

    @pytest.mark.parametrize(
        ("largest", "dtype"), [(65535, np.uint16), (65536, np.uint32), (2**32 - 1, np.uint32)]
    )
    def test_type_of_counts_follows_the_largest(
        self, toy_grid, toy_sample, tmp_path, largest, dtype
    ):
        sample = toy_sample(toy_grid, 3000)
        cells = sample.showers.astype(np.uint32)
        cells[5990, 3] = largest  # in the last piece: writing has to start again
        with ShowerWriter(tmp_path / "a.h5", toy_grid, provenance={}, dtype="uint32") as writer:
            writer.append(sample.particles, cells)
        report = convert([tmp_path / "a.h5"], tmp_path / "b.h5")
        back = read_showers(tmp_path / "b.h5")
        assert back.showers.dtype == dtype
        np.testing.assert_array_equal(back.showers, cells)
        assert report.n_written == back.provenance["showers_read"] == 6000

    def test_progress_ends_with_all(self, path, tmp_path):
        seen = []
        convert([path], tmp_path / "b.h5", progress=lambda *now: seen.append(now))
        assert seen == [(0, 80), (80, 80)]


class TestBadShowers:
    def test_first_one_is_named(self, path, tmp_path):
        broken(path, showers=(17, 5, -3.0))
        with pytest.raises(
            DataFormatError,
            match=r"a.h5: found negative cells, first in shower 17 \(-3 at cell 5",
        ):
            convert([path], tmp_path / "b.h5")
        assert not (tmp_path / "b.h5").exists()

    def test_they_are_left_out_on_request(self, path, sample, tmp_path):
        broken(path, showers=(17, 5, np.nan), energy_gev=(18, 0.0), x_cm=(19, np.inf))
        report = convert([path], tmp_path / "b.h5", skip_bad=True)
        good = np.delete(np.arange(80), [17, 18, 19])
        back = read_showers(tmp_path / "b.h5")
        np.testing.assert_array_equal(back.showers, sample.showers[good])
        assert report.n_skipped == 3
        assert report.skipped == back.provenance["skipped"]
        assert report.skipped == {
            "cells that are not finite": 1,
            "energy that is not above 0": 1,
            "x_cm that is not finite": 1,
        }

    def test_none_is_left(self, path, tmp_path):
        broken(path, energy_gev=(slice(None), -1.0))
        with pytest.raises(DataFormatError, match=r"no shower to write .read 80, unusable 80"):
            convert([path], tmp_path / "b.h5", skip_bad=True)


class TestOutput:
    def test_existing_file_stays(self, path, tmp_path):
        (tmp_path / "b.h5").write_text("precious")
        with pytest.raises(OutputError, match="exists already"):
            convert([path], tmp_path / "b.h5")
        assert (tmp_path / "b.h5").read_text() == "precious"
        convert([path], tmp_path / "b.h5", force=True)
        assert len(read_showers(tmp_path / "b.h5")) == 80

    def test_input_is_never_the_output(self, path, tmp_path):
        with pytest.raises(ConfigError, match="is named as an output and once more"):
            convert([path], path, force=True)
        convert(["zp-test"], tmp_path / "npz", to="alice-npz")
        with pytest.raises(ConfigError, match="is named as an output and once more"):
            convert([tmp_path / "npz"], tmp_path / "npz", to="alice-npz", force=True)

    def test_binning_is_checked_first(self, path, tmp_path):
        (tmp_path / "b.xml").write_text("precious")
        with pytest.raises(OutputError, match=r"b.xml: exists already"):
            convert(["cylinder-test"], tmp_path / "b.hdf5", binning=tmp_path / "b.xml")
        assert not (tmp_path / "b.hdf5").exists()


@settings(max_examples=20, deadline=None)
@given(
    n=st.integers(1, 30),
    cuts=st.lists(st.integers(0, 30), max_size=3),
    seed=st.integers(0, 2**31),
)
def test_merging_pieces_of_a_file_gives_the_file(
    tmp_path_factory, toy_grid, toy_sample, n, cuts, seed
):
    tmp_path = tmp_path_factory.mktemp("merge")
    sample = toy_sample(toy_grid, n, repeats=1, seed=seed)
    edges = sorted({0, n, *(cut for cut in cuts if cut < n)})
    paths = [
        write(tmp_path / f"{k}.h5", sample.select(slice(*edge)))
        for k, edge in enumerate(pairwise(edges))
    ]
    convert(paths, tmp_path / "all.h5")
    back = read_showers(tmp_path / "all.h5")
    np.testing.assert_array_equal(back.showers, sample.showers)
    np.testing.assert_array_equal(back.particles.identity(), sample.particles.identity())
    np.testing.assert_array_equal(back.cpu_seconds, sample.cpu_seconds)


def test_pieces_fit_into_memory():
    assert piece_rows(load_geometry("zn")) == 2166
    assert piece_rows(load_geometry("cylinder-fine")) == 103


LARGE = """
    import sys
    from pathlib import Path
    import numpy as np
    from caloforge.formats.conversion import convert

    folder = Path(sys.argv[1])
    n = int(sys.argv[2])
    # A sparse file: 200,000 ZN showers of zeros take 774 MB to read and nothing on disk.
    for name, tail, dtype in (("responses", (44, 44), "<u2"), ("particles", (10,), "<f8")):
        with (folder / f"{name}.npy").open("wb") as file:
            header = {"descr": dtype, "fortran_order": False, "shape": (n, *tail)}
            np.lib.format.write_array_header_1_0(file, header)
            start = file.tell()
            if name == "particles":
                for first in range(0, n, 10000):
                    table = np.ones((10000, 10))
                    table[:, 0] = np.arange(first, first + 10000) // 5 + 1
                    table[:, 9] = 22
                    file.write(table.tobytes())
            else:
                file.truncate(start + n * 2 * 44 * 44)
    report = convert([folder / "responses.npy"], folder / "out.h5")
    assert report.n_written == n
    # Not ru_maxrss: a process inherits that of its parent.
    (line,) = [s for s in open("/proc/self/status") if s.startswith("VmHWM")]
    print(int(line.split()[1]) // 1024)
"""


def test_memory_does_not_grow_with_the_file(tmp_path):
    # Over all: Python, NumPy, HDF5 and the pieces.
    program = textwrap.dedent(LARGE)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), "200000"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 500


def test_number_of_the_event_does_not_tear_particles_apart(tmp_path):
    # A column that differs from shower to shower of one particle, as Parquet files have.
    sample = load_sample("zn-train")
    convert([write(tmp_path / "zn.h5", sample)], tmp_path / "zn.parquet")
    table = pq.read_table(tmp_path / "zn.parquet").drop_columns(["incident"])
    event = pa.array(np.arange(len(sample), dtype=np.float64))
    pq.write_table(table.append_column("event_id", event), tmp_path / "events.parquet")
    options = ReadOptions(geometry="zn")
    convert([tmp_path / "events.parquet"], tmp_path / "events.h5", options=options)
    assert (
        read_showers(tmp_path / "events.h5").particles["event_id"].tolist() == event.to_pylist()
    )
    found = inspect_files([tmp_path / "events.h5"])
    (repeats,) = [o for o in found.outcomes if o.check.name == "repeats"]
    assert repeats.severity == "ok"
    with ShowerFile(tmp_path / "events.h5") as file, ShowerFile(tmp_path / "zn.h5") as plain:
        ours, before = partition(file, SplitPlan()), partition(plain, SplitPlan())
        incident = file.column("incident")
    for now, then in zip(ours, before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert not np.intersect1d(incident[ours.train], incident[ours.validation]).size
