from itertools import count

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.data import ShowerFile, ShowerWriter, load_sample, sample_path
from caloforge.data.files.chunk_codec import DamagedChunkError
from caloforge.data.files.chunk_reader import ChunkReader
from caloforge.data.files.chunk_threads import Threads
from caloforge.errors import ConfigError, DataFormatError

ROWS = 53
COUNT = count()


@pytest.fixture(scope="module")
def numbers():
    return np.random.default_rng(0).integers(0, 40_000, (ROWS, 6)).astype(np.uint16)


def dataset(numbers, **options):
    file = h5py.File(f"memory-{next(COUNT)}.h5", "w", driver="core", backing_store=False)
    return file.create_dataset("x", data=numbers, **options)


LAYOUTS = {
    "ours": {"chunks": (7, 6), "compression": "gzip", "shuffle": True},
    "not shuffled": {"chunks": (7, 6), "compression": "gzip"},
    "not compressed": {"chunks": (7, 6), "shuffle": True},
    "plain chunks": {"chunks": (7, 6)},
    "one large chunk": {"chunks": (ROWS, 6), "compression": "gzip"},
    "one row a chunk": {"chunks": (1, 6), "compression": "gzip", "shuffle": True},
    "contiguous": {},
    "chunks cut the rows": {"chunks": (7, 4), "compression": "gzip", "shuffle": True},
    "other filters": {"chunks": (7, 6), "compression": "lzf", "fletcher32": True},
}


class TestAgainstH5py:
    @pytest.mark.parametrize("threads", [1, 3])
    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize("dtype", ["<u2", ">u4", "<f4", "<f8", "i1"])
    def test_every_layout_and_type(self, numbers, layout, dtype, threads):
        values = numbers.astype(dtype)
        reader = ChunkReader(dataset(values, **LAYOUTS[layout]), Threads(threads))
        for start, stop in [(0, ROWS), (3, 4), (6, 15), (50, ROWS), (9, 9), (9, 2)]:
            found = reader.read(start, stop)
            assert found.dtype == values.dtype
            np.testing.assert_array_equal(found, values[start:stop])
        for rows in ([0], [], [1, 2, 3], [0, 6, 7, 52], range(ROWS), range(0, ROWS, 5)):
            rows = np.asarray(rows, dtype=int)
            np.testing.assert_array_equal(reader.take(rows), values[rows])

    @settings(max_examples=60, deadline=None)
    @given(rows=st.sets(st.integers(0, ROWS - 1)), chunk=st.integers(1, ROWS))
    def test_any_rows_of_any_chunks(self, numbers, rows, chunk):
        rows = np.array(sorted(rows), dtype=int)
        data = dataset(numbers, chunks=(chunk, 6), compression="gzip", shuffle=True)
        reader = ChunkReader(data, Threads(2))
        np.testing.assert_array_equal(reader.take(rows), numbers[rows])
        half = reader.take(rows[: len(rows) // 2])  # the last chunk is still there
        np.testing.assert_array_equal(half, numbers[rows[: len(rows) // 2]])

    def test_columns_and_pictures(self, numbers):
        for values in (numbers[:, 0].copy(), numbers.reshape(ROWS, 2, 3)):
            data = dataset(values, chunks=(7, *values.shape[1:]), compression="gzip")
            np.testing.assert_array_equal(
                ChunkReader(data, Threads(2)).read(5, 30), values[5:30]
            )

    def test_chunks_never_written_hold_the_fill_value(self, numbers):
        data = dataset(
            None, shape=(ROWS, 6), dtype="u2", chunks=(7, 6), compression="gzip", fillvalue=9
        )
        data[10:12] = numbers[10:12]
        expected = np.full((ROWS, 6), 9)
        expected[10:12] = numbers[10:12]
        np.testing.assert_array_equal(ChunkReader(data, Threads(2)).read(0, ROWS), expected)

    def test_filters_that_one_chunk_left_out(self, numbers):
        data = dataset(numbers, chunks=(7, 6), compression="gzip", shuffle=True)
        data.id.write_direct_chunk((7, 0), numbers[7:14].tobytes(), filter_mask=3)
        np.testing.assert_array_equal(ChunkReader(data, Threads(2)).read(0, ROWS), numbers)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("damage", [b"", b"nothing that zlib knows", "short", "long"])
def test_damaged_chunk(numbers, damage, threads):
    import zlib

    if isinstance(damage, str):
        damage = zlib.compress(bytes(7 * 6 * 2 + (1 if damage == "long" else -1)))
    data = dataset(numbers, chunks=(7, 6), compression="gzip", shuffle=True)
    data.id.write_direct_chunk((14, 0), damage or b"x")
    reader = ChunkReader(data, Threads(threads))
    with pytest.raises(DamagedChunkError):
        reader.read(0, ROWS)
    np.testing.assert_array_equal(reader.read(21, ROWS), numbers[21:])


class TestShowerFile:
    def test_rows_of_a_sample(self):
        rows = np.sort(np.random.default_rng(1).permutation(2200)[:300])
        sample = load_sample("zn-test")
        for threads in (1, 2):
            with ShowerFile(sample_path("zn-test"), threads=threads) as file:
                np.testing.assert_array_equal(file.read_rows(rows), sample.showers[rows])
                particles = file.particles_at(rows)
                assert len(file.read_rows([])) == len(file.particles_at([])) == 0
        expected = sample.particles.select(rows)
        np.testing.assert_array_equal(particles.incident, expected.incident)
        for name in expected.names:
            np.testing.assert_array_equal(particles[name], expected[name])

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ([3, 2], r"rows are int64 of shape \(2,\), .* larger than the one before; sort"),
            ([3, 3], "each larger than the one before"),
            ([[1, 2]], r"shape \(1, 2\), expected"),
            ([0.0, 1.0], "rows are float64"),
            ([-1, 4], "rows go from -1 to 4, expected 0 to 2199; the file has no others"),
            ([0, 2200], "rows go from 0 to 2200"),
        ],
    )
    def test_wrong_rows(self, rows, message):
        with ShowerFile(sample_path("zn-test")) as file:
            for read in (file.read_rows, file.particles_at):
                with pytest.raises(DataFormatError, match=message):
                    read(rows)

    def test_bad_cell_is_named_by_its_row_in_the_file(self, tmp_path, toy_cylinder, toy_sample):
        sample = toy_sample(toy_cylinder)
        with ShowerWriter(tmp_path / "s.h5", toy_cylinder, provenance={}) as writer:
            writer.append(sample.particles, sample.showers)
        with h5py.File(tmp_path / "s.h5", "r+") as file:
            file["showers"][40, 5] = -1
        with (
            ShowerFile(tmp_path / "s.h5") as file,
            pytest.raises(DataFormatError, match="first in shower 40 at cell 5"),
        ):
            file.read_rows([3, 40, 41])

    def test_threads_must_be_some(self):
        with pytest.raises(ConfigError, match="threads: found 0, expected 1 or more"):
            ShowerFile(sample_path("zn-test"), threads=0)
