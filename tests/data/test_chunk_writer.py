import tracemalloc
from itertools import pairwise

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.data import (
    ShowerFile,
    ShowerWriter,
    load_sample,
    sample_path,
)
from caloforge.data.files import chunk_writer, shower_writer
from caloforge.errors import ConfigError, DataFormatError


@pytest.fixture(scope="module")
def sample():
    # 700 ZN showers are 5 chunks and a bit; the columns have chunks of 300 rows here.
    return load_sample("zn-test").select(slice(0, 700))


@pytest.fixture(autouse=True)
def small_chunks_and_no_clock(monkeypatch):
    class Clock:
        @staticmethod
        def now(zone):
            return Clock()

        @staticmethod
        def isoformat(timespec):
            return "2026-01-01T00:00:00+00:00"

    monkeypatch.setattr(shower_writer, "datetime", Clock)
    monkeypatch.setattr(shower_writer, "_COLUMN_ROWS", 300)


def write(path, sample, edges=(0, 700), **options):
    with ShowerWriter(path, sample.geometry, provenance={}, force=True, **options) as writer:
        for start, stop in pairwise(edges):
            part = sample.select(slice(start, stop))
            writer.append(part.particles, part.showers, part.cpu_seconds)
            if options.get("threads") == 3:
                writer.flush()
    return path.read_bytes()


class TestFile:
    def test_bytes_do_not_depend_on_threads_or_pieces(self, tmp_path, sample):
        expected = write(tmp_path / "s.h5", sample, threads=1)
        for threads in (1, 2, 3, 8):
            for edges in [(0, 700), (0, 1, 1, 134, 136, 300, 405, 699, 700)]:
                assert write(tmp_path / "s.h5", sample, edges, threads=threads) == expected

    @settings(max_examples=25, deadline=None)
    @given(cuts=st.lists(st.integers(0, 700), max_size=6), threads=st.integers(1, 4))
    def test_any_pieces(self, tmp_path_factory, sample, cuts, threads):
        path = tmp_path_factory.mktemp("pieces") / "s.h5"
        write(path, sample, [0, *sorted(cuts), 700], threads=threads)
        with ShowerFile(path) as file:
            np.testing.assert_array_equal(file.read(), sample.showers)
            np.testing.assert_array_equal(
                file.column("energy_gev"), sample.particles["energy_gev"]
            )

    @pytest.mark.parametrize("compression", [1, 2, 6, 9])
    def test_hdf5_itself_reads_it(self, tmp_path, sample, compression):
        write(tmp_path / "s.h5", sample, compression=compression)
        with h5py.File(tmp_path / "s.h5") as file:
            data = file["showers"]
            assert (data.compression, data.compression_opts) == ("gzip", compression)
            assert data.shuffle
            assert data.chunks == (135, 1936)
            assert data.shape == sample.showers.shape
            np.testing.assert_array_equal(data[:], sample.showers)
            np.testing.assert_array_equal(file["incident"][:], sample.particles.incident)
            for name in sample.particles.names:
                np.testing.assert_array_equal(file[name][:], sample.particles[name])

    @pytest.mark.parametrize(
        ("shuffle", "found"), [(None, False), (True, True), (False, False)]
    )
    def test_energies_are_shuffled_on_request(
        self, tmp_path, toy_cylinder, toy_sample, shuffle, found
    ):
        sample = toy_sample(toy_cylinder)
        write(tmp_path / "s.h5", sample, (0, 33, 80), shuffle=shuffle)
        with h5py.File(tmp_path / "s.h5") as file, ShowerFile(tmp_path / "s.h5") as ours:
            assert file["showers"].shuffle == found
            np.testing.assert_array_equal(file["showers"][:], sample.showers)
            np.testing.assert_array_equal(ours.read(), sample.showers)

    @pytest.mark.parametrize("compression", [1, 6])
    def test_energies_at_all_levels(self, tmp_path, toy_cylinder, toy_sample, compression):
        sample = toy_sample(toy_cylinder)
        write(tmp_path / "s.h5", sample, (0, 80), compression=compression)
        with h5py.File(tmp_path / "s.h5") as file, ShowerFile(tmp_path / "s.h5") as ours:
            np.testing.assert_array_equal(file["showers"][:], sample.showers)
            np.testing.assert_array_equal(ours.read(), sample.showers)

    def test_counts_need_not_be_shuffled(self, tmp_path, sample):
        write(tmp_path / "s.h5", sample, shuffle=False)
        with h5py.File(tmp_path / "s.h5") as file, ShowerFile(tmp_path / "s.h5") as ours:
            assert not file["showers"].shuffle
            np.testing.assert_array_equal(file["showers"][:], sample.showers)
            np.testing.assert_array_equal(ours.read(), sample.showers)

    def test_hdf5_can_append_to_it(self, tmp_path, sample):
        write(tmp_path / "s.h5", sample)
        with h5py.File(tmp_path / "s.h5", "r+") as file:
            file["showers"].resize(800, axis=0)  # what fills the last chunk is zeros
            assert not file["showers"][700:].any()
            for data in file.values():
                data.resize(701, axis=0)
                data[700] = data[3]
        with ShowerFile(tmp_path / "s.h5") as file:
            np.testing.assert_array_equal(file.read(700), sample.showers[3:4])
            np.testing.assert_array_equal(file.read(0, 700), sample.showers)

    def test_compression_has_nine_levels(self, tmp_path, sample):
        for level in (0, 10):
            with pytest.raises(ConfigError, match=f"compression: found {level}, expected 1"):
                write(tmp_path / "s.h5", sample, compression=level)


def test_arrays_may_change_after_they_were_appended(tmp_path, sample):
    showers = sample.showers.copy()
    with ShowerWriter(tmp_path / "s.h5", sample.geometry, provenance={}, threads=2) as writer:
        for _ in range(3):
            writer.append(sample.particles, showers)
            showers += 1
    with ShowerFile(tmp_path / "s.h5") as file:
        for k in range(3):
            np.testing.assert_array_equal(
                file.read(700 * k, 700 * k + 700), sample.showers + np.uint16(k)
            )


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64", ">u2"])
def test_counts_of_any_type(tmp_path, sample, dtype):
    showers = np.minimum(sample.showers, 255).astype(dtype)
    with ShowerWriter(tmp_path / "s.h5", sample.geometry, provenance={}) as writer:
        writer.append(sample.particles, showers)
    with ShowerFile(tmp_path / "s.h5") as file:
        assert file.read().dtype == np.uint16
        np.testing.assert_array_equal(file.read(), showers)


def write_and_fail(path, sample, piece, threads):
    with ShowerWriter(path, sample.geometry, provenance={}, threads=threads) as writer:
        writer.append(sample.particles, sample.showers)
        writer.append(*piece)


class TestFailure:
    @pytest.mark.parametrize("threads", [1, 2])
    def test_of_a_thread_leaves_nothing(self, tmp_path, sample, monkeypatch, threads):
        def fail(plain, level):
            raise ZeroDivisionError

        monkeypatch.setattr(chunk_writer, "deflated", fail)
        with pytest.raises(ZeroDivisionError):
            write(tmp_path / "s.h5", sample, threads=threads)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("threads", [1, 2])
    def test_of_a_later_piece_leaves_nothing(self, tmp_path, sample, threads):
        wrong = np.full((1, 1936), -1)
        with (
            ShowerFile(sample_path("zn-test")) as file,
            pytest.raises(DataFormatError, match="first in shower 700 at cell 0"),
        ):
            write_and_fail(tmp_path / "s.h5", sample, (file.particles(0, 1), wrong), threads)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("threads", [1, 4])
def test_memory_does_not_grow_with_the_file(tmp_path, threads):
    whole = load_sample("zn-test")
    peaks = []
    for pieces in (8, 20):  # of 8.5 MB
        tracemalloc.start()
        with ShowerWriter(
            tmp_path / "s.h5", whole.geometry, provenance={}, force=True, threads=threads
        ) as writer:
            for _ in range(pieces):
                writer.append(whole.particles, whole.showers)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 60e6
    with ShowerFile(tmp_path / "s.h5", threads=threads) as file:
        tracemalloc.start()
        for start in range(0, len(file), 500):
            file.read(start, start + 500)
        assert tracemalloc.get_traced_memory()[1] < 30e6
        tracemalloc.stop()
