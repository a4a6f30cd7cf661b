"""Ways to store showers and the particles that made them, for ``benchmarks/storage.py``."""

from __future__ import annotations

import importlib.util
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq

from caloforge.data import Particles, ShowerFile, ShowerWriter
from caloforge.data.files import shower_writer
from caloforge.data.files.chunk_threads import Threads
from caloforge.data.files.chunk_writer import ChunkWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from caloforge.geometry import DetectorGeometry

BASELINE = "h5py, gzip 1"
PIECE_BYTES, PIECE_ROWS = 16 * 2**20, 4096
CHUNK_BYTES = shower_writer._CHUNK_BYTES
KIB = 1024


class Stored(NamedTuple):
    """What is stored."""

    geometry: DetectorGeometry
    particles: Particles
    showers: np.ndarray

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """Columns of the particles."""
        return {"incident": self.particles.incident, **self.particles.columns}

    def pieces(self) -> Iterator[slice]:
        """Rows that are written and read at a time."""
        n = max(1, min(PIECE_ROWS, PIECE_BYTES // self.showers[0].nbytes))
        for start in range(0, len(self.showers), n):
            yield slice(start, min(start + n, len(self.showers)))

    def chunk(self, size: int = CHUNK_BYTES) -> int:
        """Rows of a chunk of some bytes."""
        return max(1, min(PIECE_ROWS, size // self.showers[0].nbytes))


class Way(NamedTuple):
    """A way to store showers: part of the table, how to write, read all, and read one."""

    name: str
    part: str
    write: Callable[[Path, Stored], Path]
    read: Callable[[Path, Stored], Iterator[np.ndarray]]
    one: Callable[[Path], AbstractContextManager[Callable[[int], np.ndarray]]] | None = None


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def missing() -> list[str]:
    return [
        f"{package} is not installed, its rows are left out: pip install {package}"
        for package in ("zarr", "hdf5plugin")
        if not installed(package)
    ]


def ways(stored: Stored) -> list[Way]:
    """All ways whose packages are there."""
    ours, hdf5 = partial(Way, read=read_ours, one=one_ours), partial(Way, one=one_h5py)
    found = [
        ours("caloforge", "ways", write_ours),
        ours("caloforge, 1 thread", "ways", partial(write_ours, threads=1),
             read=partial(read_ours, threads=1)),
        hdf5(BASELINE, "ways", partial(write_h5py, gzip=1), read_h5py),
        hdf5("h5py, gzip 1, not shuffled", "ways",
             partial(write_h5py, gzip=1, shuffle=False), read_h5py),
        hdf5("h5py, gzip 4", "ways", partial(write_h5py, gzip=4), read_h5py),
        hdf5("h5py, not compressed", "ways", write_h5py, read_h5py),
        hdf5("h5py reads caloforge's file", "ways", write_ours, read_h5py),
        Way("npz", "ways", partial(write_npz, save=np.savez), read_npz),
        Way("npz, compressed", "ways", partial(write_npz, save=np.savez_compressed), read_npz),
        Way("Parquet, snappy", "ways", partial(write_parquet, codec="snappy"), read_parquet),
        Way("Parquet, zstd", "ways", partial(write_parquet, codec="zstd"), read_parquet),
    ]  # fmt: skip
    if installed("zarr"):
        found += [
            Way("zarr, zstd", "ways", write_zarr, read_zarr, one_zarr),
            Way("zarr, Blosc: shuffle, zstd", "ways", partial(write_zarr, blosc=True),
                read_zarr, one_zarr),
        ]  # fmt: skip
    if installed("hdf5plugin"):
        for name, codec in (("Blosc: shuffle, lz4", "lz4"), ("Blosc: shuffle, zstd", "zstd")):
            write = partial(write_h5py, blosc=codec)
            found.append(hdf5(f"hdf5plugin, {name}", "ways", write, read_h5py))
    found += [
        ours(f"level {level}", "levels", partial(write_ours, level=level))
        for level in (4, 6, 9)
    ]
    found += [
        ours(f"{size} KiB", "chunks", partial(write_ours, chunk=size * KIB))
        for size in (64, 128, 256, 1024, 2048, 4096)
        if stored.chunk(size * KIB) not in (1, stored.chunk())
    ]
    other = stored.showers.dtype.kind == "f"
    name = f"{'with' if other else 'without'} byte shuffle"
    found.append(ours(name, "layout", partial(write_ours, shuffle=other)))
    found.append(Way("lit cells and their places", "layout", write_sparse, read_sparse))
    return found


def write_ours(
    path: Path,
    stored: Stored,
    threads: int | None = None,
    level: int = 1,
    chunk: int | None = None,
    shuffle: bool | None = None,
) -> Path:
    shower_writer._CHUNK_BYTES = chunk or CHUNK_BYTES
    with ShowerWriter(
        path,
        stored.geometry,
        provenance={},
        compression=level,
        shuffle=shuffle,
        threads=threads,
    ) as writer:
        for rows in stored.pieces():
            writer.append(stored.particles.select(rows), stored.showers[rows])
    return path


def read_ours(path: Path, stored: Stored, threads: int | None = None) -> Iterator[np.ndarray]:
    with ShowerFile(path, threads=threads) as file:
        for rows in stored.pieces():
            file.particles(rows.start, rows.stop)
            yield file.read(rows.start, rows.stop)


@contextmanager
def one_ours(path: Path) -> Iterator[Callable[[int], np.ndarray]]:
    with ShowerFile(path) as file:
        yield lambda row: file.read(row, row + 1)


def write_h5py(
    path: Path, stored: Stored, gzip: int = 0, shuffle: bool = True, blosc: str | None = None
) -> Path:
    options: dict[str, Any] = {}
    if gzip:
        options = {"compression": "gzip", "compression_opts": gzip, "shuffle": shuffle}
    if blosc:
        import hdf5plugin

        options = dict(
            hdf5plugin.Blosc(cname=blosc, clevel=1, shuffle=hdf5plugin.Blosc.SHUFFLE)
        )
    arrays = {**stored.columns, "showers": stored.showers}
    with h5py.File(path, "w", rdcc_nbytes=PIECE_BYTES) as file:
        for name, array in arrays.items():
            chunk = stored.chunk() if name == "showers" else PIECE_ROWS
            file.create_dataset(
                name, (0, *array.shape[1:]), array.dtype, maxshape=(None, *array.shape[1:]),
                chunks=(chunk, *array.shape[1:]), **options,
            )  # fmt: skip
        for rows in stored.pieces():
            for name, array in arrays.items():
                file[name].resize(rows.stop, axis=0)
                file[name][rows] = array[rows]
    return path


def read_h5py(path: Path, stored: Stored) -> Iterator[np.ndarray]:
    if installed("hdf5plugin"):
        import hdf5plugin  # noqa: F401 - it teaches HDF5 its filters
    with h5py.File(path, rdcc_nbytes=PIECE_BYTES) as file:
        for rows in stored.pieces():
            for name in stored.columns:
                file[name][rows]
            yield file["showers"][rows]


@contextmanager
def one_h5py(path: Path) -> Iterator[Callable[[int], np.ndarray]]:
    with h5py.File(path, rdcc_nbytes=PIECE_BYTES) as file:
        yield lambda row: file["showers"][row]


def write_npz(path: Path, stored: Stored, save: Callable[..., None]) -> Path:
    path = path.with_suffix(".npz")
    save(path, showers=stored.showers, **stored.columns)
    return path


def read_npz(path: Path, stored: Stored) -> Iterator[np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        for name in stored.columns:
            file[name]
        yield file["showers"]


def write_parquet(path: Path, stored: Stored, codec: str) -> Path:
    cells = stored.showers.shape[1]
    kind = pa.list_(pa.from_numpy_dtype(stored.showers.dtype), cells)
    fields = {name: pa.from_numpy_dtype(a.dtype) for name, a in stored.columns.items()}
    with pq.ParquetWriter(
        path, pa.schema({**fields, "showers": kind}), compression=codec, use_dictionary=False,
        use_byte_stream_split=False,
    ) as writer:  # fmt: skip
        for rows in stored.pieces():
            flat = pa.array(stored.showers[rows].reshape(-1))
            columns = {name: a[rows] for name, a in stored.columns.items()}
            lists = pa.FixedSizeListArray.from_arrays(flat, cells)
            writer.write_table(pa.table({**columns, "showers": lists}))
    return path


def read_parquet(path: Path, stored: Stored) -> Iterator[np.ndarray]:
    cells = stored.showers.shape[1]
    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        table = file.read_row_group(group)
        for name in stored.columns:
            table[name].to_numpy()
        flat = table["showers"].combine_chunks().flatten()
        yield flat.to_numpy().reshape(-1, cells)


def write_zarr(path: Path, stored: Stored, blosc: bool = False) -> Path:
    import zarr
    from zarr.codecs import BloscCodec

    root = zarr.open_group(path, mode="w")
    for name, array in {**stored.columns, "showers": stored.showers}.items():
        codec = BloscCodec(cname="zstd", clevel=1, shuffle="shuffle", typesize=array.itemsize)
        row = array.shape[1:]
        made = root.create_array(
            name, shape=array.shape, dtype=array.dtype,
            chunks=(stored.chunk() if name == "showers" else PIECE_ROWS, *row),
            **({"compressors": [codec]} if blosc else {}),
        )  # fmt: skip
        for rows in stored.pieces():
            made[rows] = array[rows]
    return path


def read_zarr(path: Path, stored: Stored) -> Iterator[np.ndarray]:
    import zarr

    root = zarr.open_group(path, mode="r")
    arrays = {name: root[name] for name in (*stored.columns, "showers")}
    for rows in stored.pieces():
        for name in stored.columns:
            arrays[name][rows]
        yield np.asarray(arrays["showers"][rows])


@contextmanager
def one_zarr(path: Path) -> Iterator[Callable[[int], np.ndarray]]:
    import zarr

    showers = zarr.open_group(path, mode="r")["showers"]
    yield lambda row: showers[row]


def write_sparse(path: Path, stored: Stored) -> Path:
    """Write lit cells alone, compressed as ours: values, places in the shower, and numbers."""
    chunk = CHUNK_BYTES // 4
    threads = Threads()
    with h5py.File(path, "w") as file:
        cells, rest = (ChunkWriter(file, threads, 1) for _ in range(2))
        cells.create("values", width=None, rows=chunk, dtype=stored.showers.dtype, unit="")
        cells.create("places", width=None, rows=chunk, dtype="u2", unit="")
        rest.create("lit", width=None, rows=PIECE_ROWS, dtype="u2", unit="")
        for name, array in stored.columns.items():
            rest.create(name, width=None, rows=PIECE_ROWS, dtype=array.dtype, unit="")
        for rows in stored.pieces():
            showers = stored.showers[rows]
            flat = np.flatnonzero(showers)
            columns = {name: array[rows] for name, array in stored.columns.items()}
            width = showers.shape[1]
            lit = np.bincount(flat // width, minlength=len(showers)).astype(np.uint16)
            values = showers.reshape(-1)[flat]
            cells.append({"values": values, "places": (flat % width).astype(np.uint16)})
            rest.append({"lit": lit, **columns})
        cells.finish()
        rest.finish()
    threads.close()
    return path


def read_sparse(path: Path, stored: Stored) -> Iterator[np.ndarray]:
    from caloforge.data.files.chunk_reader import ChunkReader

    threads = Threads()
    with h5py.File(path) as file:
        readers = {name: ChunkReader(file[name], threads) for name in file}
        start = 0
        for rows in stored.pieces():
            for name in stored.columns:
                readers[name].read(rows.start, rows.stop)
            lit = readers["lit"].read(rows.start, rows.stop).astype(np.int64)
            stop = start + int(lit.sum())
            showers = np.zeros((len(lit), stored.showers.shape[1]), stored.showers.dtype)
            first = np.repeat(np.arange(len(lit)) * showers.shape[1], lit)
            flat = first + readers["places"].read(start, stop)
            showers.reshape(-1)[flat] = readers["values"].read(start, stop)
            start = stop
            yield showers
    threads.close()
