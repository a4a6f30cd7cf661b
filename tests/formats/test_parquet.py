"""Parquet tables, written by us and by pyarrow itself: both ways, in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from caloforge.data import PARTICLE_COLUMNS, Particles, load_sample, read_showers
from caloforge.errors import ConfigError, DataFormatError, OutputError
from caloforge.formats.conversion import convert
from caloforge.formats.format import Piece, ReadOptions, WriteOptions
from caloforge.formats.parquet.table import FORMAT
from caloforge.formats.registry import recognised
from caloforge.geometry import CylinderLayer, CylinderLayout, DetectorGeometry, GridLayout

N = 5
GRID = DetectorGeometry("g", "g", GridLayout((3, 4)), unit="photons", counts=True)
CYLINDER = DetectorGeometry(
    "c",
    "c",
    CylinderLayout(
        (CylinderLayer((0.0, 5.0, 9.0), 3), CylinderLayer(()), CylinderLayer((1, 2)))
    ),
    unit="MeV",
    counts=False,
)
SPARSE = '[cells]\nbranch = "value"\nindex = "cell"\nfirst_index = 1\n'
UNITS = (
    '[columns]\nenergy_gev = { branch = "E", unit = "MeV" }\n'
    'x_cm = { branch = "x", unit = "mm" }\n'
)


def particles(n: int = N, **columns: np.ndarray) -> Particles:
    rng = np.random.default_rng(n)
    table = {name: rng.random(n) + 0.1 for name in PARTICLE_COLUMNS}
    return Particles(table | {"pdg": np.full(n, 2112)} | columns, np.arange(n) // 2)


def write(path: Path, geometry, sample, showers, cpu=None, *, mapping=None, step=2) -> None:
    options = WriteOptions({"made by": "a test"}, mapping=mapping)
    with FORMAT.write(path, geometry, options) as sink:
        for start in range(0, len(showers), step):
            rows = slice(start, start + step)
            part = None if cpu is None else cpu[rows]
            sink.append(sample.select(rows), showers[rows], part)


def read(path: Path, size: int = 3, **options) -> tuple[Piece, object]:
    with FORMAT.read((path,), ReadOptions(**options)) as source:
        pieces = list(source.pieces(size))
        assert sum(len(piece.showers) for piece in pieces) == source.n_showers

        def whole(get):
            parts = [get(piece) for piece in pieces]
            return None if parts[0] is None else np.concatenate(parts)

        piece = Piece(
            {name: whole(lambda p, name=name: p.columns[name]) for name in pieces[0].columns},
            whole(lambda p: p.incident),
            whole(lambda p: p.showers),
            whole(lambda p: p.cpu_seconds),
        )
        return piece, source


def foreign(path: Path, showers, **columns) -> Path:
    """A file as another program would write it."""
    table = {name: pa.array(particles()[name]) for name in PARTICLE_COLUMNS}
    table |= {"showers": showers} if showers is not None else {}
    pq.write_table(
        pa.table({k: v for k, v in (table | columns).items() if v is not None}), path
    )
    return path


COUNTS = np.arange(N * 12).reshape(N, 12) % 7


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_round_trip(tmp_path_factory, data) -> None:
    folder = tmp_path_factory.mktemp("round")
    geometry = data.draw(st.sampled_from([GRID, CYLINDER]))
    n = data.draw(st.integers(1, 7))
    cell = (
        st.integers(0, 2**32 - 1) if geometry.counts else st.floats(0, 2.0**100, width=32)
    ) | st.just(0)
    rows = st.lists(cell, min_size=geometry.n_cells, max_size=geometry.n_cells)
    showers = np.array(
        data.draw(st.lists(rows, min_size=n, max_size=n)),
        dtype=np.uint32 if geometry.counts else np.float32,
    )
    numbers = st.floats(-1e9, 1e9).filter(bool)
    column = np.array(data.draw(st.lists(numbers, min_size=n, max_size=n)))
    sample = particles(n, further=column, px_gev=column)
    cpu = data.draw(st.sampled_from([None, np.arange(n, dtype=np.float32)]))
    text = data.draw(st.sampled_from(["", SPARSE, UNITS, SPARSE + UNITS]))
    (folder / "mapping.toml").write_text(text)
    mapping = data.draw(st.sampled_from([None, folder / "mapping.toml"]))
    step = data.draw(st.integers(1, 4))
    write(folder / "a.parquet", geometry, sample, showers, cpu, mapping=mapping, step=step)
    piece, source = read(folder / "a.parquet", data.draw(st.integers(1, 5)))
    assert source.geometry == geometry
    assert source.provenance == {"made by": "a test"}
    np.testing.assert_array_equal(piece.showers, showers)
    np.testing.assert_array_equal(piece.incident, sample.incident)
    assert set(piece.columns) == set(sample.names)
    for name in sample.names:
        # Millimetres and MeV and back: two roundings of a float64.
        np.testing.assert_allclose(piece.columns[name], sample[name], rtol=5e-16)
    if cpu is None:
        assert piece.cpu_seconds is None
    else:
        np.testing.assert_array_equal(piece.cpu_seconds, cpu)


def test_pictures_with_x_fastest(tmp_path) -> None:
    (tmp_path / "m.toml").write_text('[cells]\nbranch = "picture"\norder = "yx"\n')
    path = tmp_path / "a.parquet"
    write(path, GRID, particles(), COUNTS, mapping=tmp_path / "m.toml")
    first = pq.read_table(path)["picture"][0].as_py()
    np.testing.assert_array_equal(np.reshape(first, (4, 3)).T, COUNTS[0].reshape(3, 4))
    np.testing.assert_array_equal(read(path)[0].showers, COUNTS)


def test_units_are_converted_in_the_file(tmp_path) -> None:
    (tmp_path / "m.toml").write_text('[cells]\nbranch = "e"\nunit = "GeV"\n' + UNITS)
    path, cells = tmp_path / "a.parquet", np.full((N, CYLINDER.n_cells), 2000, np.float32)
    write(path, CYLINDER, particles(), cells, mapping=tmp_path / "m.toml")
    table = pq.read_table(path)
    np.testing.assert_allclose(table["E"].to_numpy(), particles()["energy_gev"] * 1000)
    np.testing.assert_allclose(table["x"].to_numpy(), particles()["x_cm"] * 10)
    assert table["e"][0].as_py() == [2.0] * CYLINDER.n_cells
    assert table.schema.field("E").metadata == {b"unit": b"MeV"}
    piece, source = read(path)
    np.testing.assert_array_equal(piece.showers, cells)
    assert "energy_gev: MeV to GeV, times 0.001" in source.conversions


def test_any_program_can_read_our_files(tmp_path) -> None:
    sample = load_sample("zn-test").select(slice(0, 50))
    path = tmp_path / "a.parquet"
    write(path, sample.geometry, sample.particles, sample.showers, step=50)
    table = pq.read_table(path)
    assert table.column_names == ["incident", *PARTICLE_COLUMNS, "showers"]
    assert table.schema.field("showers").type.value_type == pa.uint32()
    showers = np.stack(table["showers"].to_numpy())
    np.testing.assert_array_equal(showers, sample.showers)
    note = json.loads(pq.ParquetFile(path).metadata.metadata[b"caloforge"])
    assert note["geometry"] == json.loads(sample.geometry.to_json())
    assert table.schema.field("energy_gev").metadata == {b"unit": b"GeV"}


LISTS = {
    "list": lambda cells: pa.array(cells.tolist()),
    "large": lambda cells: pa.array(cells.tolist(), pa.large_list(pa.int16())),
    "fixed": lambda cells: pa.array(cells.tolist(), pa.list_(pa.float32(), 12)),
    "pictures": lambda cells: pa.array(cells.reshape(N, 3, 4).tolist()),
    "tensors": lambda cells: pa.FixedShapeTensorArray.from_numpy_ndarray(
        np.ascontiguousarray(cells.reshape(N, 3, 4))
    ),
    "decimals": lambda cells: pa.array(cells.tolist(), pa.list_(pa.int64())).cast(
        pa.list_(pa.decimal128(19, 0))
    ),
    "bytes": lambda cells: pa.array(cells.tolist(), pa.list_(pa.uint8())),
}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("compression", ["snappy", "gzip", "brotli", "zstd", "none"])
def test_files_of_other_programs(tmp_path, kind, compression) -> None:
    (tmp_path / "g.toml").write_text(
        'name = "g"\nkind = "grid"\n[response]\nunit = "photons"\ncounts = true\n'
        "[grid]\ncells = [3, 4]\n"
    )
    columns = {name: pa.array(particles()[name]) for name in PARTICLE_COLUMNS}
    table = pa.table(columns | {"showers": LISTS[kind](COUNTS), "note": ["text"] * N})
    path = tmp_path / "theirs"
    pq.write_table(table, path, compression=compression, row_group_size=2)
    assert recognised(path) is FORMAT
    piece, source = read(path, geometry=str(tmp_path / "g.toml"))
    np.testing.assert_array_equal(piece.showers, COUNTS)
    assert piece.incident is None
    assert "left out, as they hold no single numbers: note" in source.conversions
    np.testing.assert_array_equal(piece.columns["z_cm"], particles()["z_cm"])


def geometry_file(tmp_path, cells=(3, 4)) -> str:
    path = tmp_path / "g.toml"
    path.write_text(
        'name = "g"\nkind = "grid"\n[response]\nunit = "photons"\ncounts = true\n'
        f"[grid]\ncells = {list(cells)}\n"
    )
    return str(path)


def test_hits_of_other_programs_and_names_of_theirs(tmp_path) -> None:
    columns = {f"mc_{name}": pa.array(particles()[name]) for name in PARTICLE_COLUMNS}
    hits = {"i": [[1, 12], [], [3, 3], [], []], "n": [[5, 6], [], [1, 2], [], []]}
    path = tmp_path / "hits.parquet"
    pq.write_table(pa.table(columns | hits | {"weight": [1.0] * N}), path)
    names = "\n".join(f'{name} = "mc_{name}"' for name in PARTICLE_COLUMNS)
    (tmp_path / "m.toml").write_text(
        f'[cells]\nbranch = "n"\nindex = "i"\nfirst_index = 1\n[columns]\n{names}\n'
    )
    piece, source = read(path, geometry=geometry_file(tmp_path), mapping=tmp_path / "m.toml")
    assert "left out, as the mapping does not name them: weight" in source.conversions
    expected = np.zeros((N, 12))
    expected[0, 0], expected[0, 11], expected[2, 2] = 5, 6, 3
    np.testing.assert_array_equal(piece.showers, expected)


def test_records_within_records(tmp_path) -> None:
    table = {name: particles()[name].tolist() for name in PARTICLE_COLUMNS}
    rows = [
        {"mc": {name: table[name][k] for name in table}, "read": {"out": {"adc": cells}}}
        for k, cells in enumerate(COUNTS.tolist())
    ]
    path = tmp_path / "nested.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    names = "\n".join(f'{name} = "mc.{name}"' for name in PARTICLE_COLUMNS)
    (tmp_path / "m.toml").write_text(f'[cells]\nbranch = "read.out.adc"\n[columns]\n{names}\n')
    piece, _ = read(path, geometry=geometry_file(tmp_path), mapping=tmp_path / "m.toml")
    np.testing.assert_array_equal(piece.showers, COUNTS)
    np.testing.assert_array_equal(piece.columns["y_cm"], particles()["y_cm"])


def test_what_the_columns_lack_is_said_or_derived(tmp_path) -> None:
    lists = pa.array(COUNTS.tolist())
    none = dict.fromkeys(["pdg", "mass_mev", "charge_e"])
    path = foreign(tmp_path / "a.parquet", lists, **none)
    geometry = geometry_file(tmp_path)
    with pytest.raises(DataFormatError, match="no number for pdg"):
        read(path, geometry=geometry)
    piece, source = read(path, geometry=geometry, pdg=2112)
    assert (piece.columns["pdg"] == 2112).all()
    np.testing.assert_allclose(piece.columns["mass_mev"], 939.565, atol=0.001)
    assert any("mass_mev: derived from pdg" in text for text in source.conversions)


def test_gaps_are_left_to_the_checks(tmp_path) -> None:
    cells = COUNTS.astype(float).tolist()
    cells[3][4] = None
    z = pa.array([1.0, None, 1.0, 1.0, 1.0])
    path = foreign(tmp_path / "a.parquet", pa.array(cells), z_cm=z)
    piece, _ = read(path, geometry=geometry_file(tmp_path))
    assert np.flatnonzero(np.isnan(piece.columns["z_cm"])).tolist() == [1]
    assert np.argwhere(np.isnan(piece.showers)).tolist() == [[3, 4]]
    out = tmp_path / "a.h5"
    options = ReadOptions(geometry=geometry_file(tmp_path))
    with pytest.raises(DataFormatError, match=r"first in shower 3 \(nan at cell 4\)"):
        convert([path], out, options=options)
    assert convert([path], out, options=options, skip_bad=True).n_skipped == 2


def gaps() -> dict[str, pa.Array]:
    """Showers of which the second has no list, or a list that is no shower."""
    flat, nested = COUNTS.tolist(), COUNTS.reshape(N, 3, 4).tolist()

    def second(rows: list, value: list | None, kind: pa.DataType | None = None) -> pa.Array:
        return pa.array([rows[0], value, *rows[2:]], kind)

    return {
        "null": second(flat, None),
        "empty": second(flat, []),
        "short": second(flat, flat[1][:-1]),
        "fixed": second(flat, None, pa.list_(pa.int32(), 12)),
        "inner null": second(nested, [nested[1][0], None, nested[1][2]]),
        "uneven": second(nested, [[1] * 3, [1] * 5, [1] * 4]),
        "float32": second([[x / 2 for x in row] for row in flat], None, pa.list_(pa.float32())),
    }


@pytest.mark.parametrize("kind", [*gaps()])
def test_a_row_without_all_cells_is_one_unusable_shower(tmp_path, kind) -> None:
    path = foreign(tmp_path / "a.parquet", gaps()[kind])
    piece, _ = read(path, geometry=geometry_file(tmp_path))
    assert np.isnan(piece.showers).all(axis=1).tolist() == [False, True, False, False, False]
    scale = 0.5 if kind == "float32" else 1
    np.testing.assert_array_equal(piece.showers[[0, 2, 3, 4]], COUNTS[[0, 2, 3, 4]] * scale)
    if kind == "float32":
        assert piece.showers.dtype == np.float32
        return
    options = ReadOptions(geometry=geometry_file(tmp_path))
    with pytest.raises(DataFormatError, match=r"not finite, first in shower 1 .*--skip-bad"):
        convert([path], tmp_path / "a.h5", options=options)
    report = convert([path], tmp_path / "a.h5", options=options, skip_bad=True)
    assert (report.n_written, report.n_skipped) == (4, 1)


@pytest.mark.parametrize("place", ["value", "cell", "both", "one number", "length"])
def test_a_row_without_pairs_is_one_unusable_shower(tmp_path, place) -> None:
    cells: list = [[1, 4], [7], [], [12, 1], [2]]
    values: list = [[1, 2], [3], [], [4, 5], [6]]
    for rows, name in ((cells, "cell"), (values, "value")):
        if place in (name, "both"):
            rows[1] = None
    if place == "one number":
        cells[1] = [None]
    if place == "length":
        values[1] = [3, 3]
    path = foreign(tmp_path / "a.parquet", None, cell=pa.array(cells), value=pa.array(values))
    mapping = tmp_path / "m.toml"
    mapping.write_text(SPARSE)
    piece, _ = read(path, geometry=geometry_file(tmp_path), mapping=mapping)
    assert np.isnan(piece.showers).any(axis=1).tolist() == [False, True, False, False, False]
    np.testing.assert_array_equal(np.nansum(piece.showers, axis=1), [3, 0, 0, 9, 6])
    assert piece.showers[3, 11] == 4


def broken(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    good = pa.array(COUNTS.tolist())
    whole = foreign(tmp_path / "whole.parquet", good).read_bytes()
    files = {}

    def add(name: str, content: bytes, message: str) -> None:
        (tmp_path / name).write_bytes(content)
        files[name] = (tmp_path / name, message)

    def table(name: str, message: str, showers=good, **columns) -> None:
        files[name] = (foreign(tmp_path / name, showers, **columns), message)

    add("cut", whole[:-100], "the file is cut off; copy or make it again")
    add("text", b"PAR1 is not enough", "cut off")
    add("other", b"hello hello hello", "not a Parquet file.*--from")
    add("encrypted", whole[:-4] + b"PARE", "is encrypted")
    short = pa.array([row[:-1] for row in COUNTS.tolist()])
    table("short", "row 0 has 11 cells in showers, expected 12", short)
    inner = [[[1] * 3, [1] * 5, [1] * 4]] * N
    table("uneven", "differ in length, 3, 4, 5, first in row 0", pa.array(inner))
    turned = pa.array(COUNTS.reshape(N, 4, 3).tolist())
    table("turned", "holds 4 x 3 cells in each row, expected 3 x 4", turned)
    table("null", "row 0 has 0 cells", pa.array([None] * N, pa.list_(pa.int32())))
    table("nothing", "it holds no column of lists", None)
    table("named", "its columns of lists are adc: name the one", None, adc=good)
    table("scalar", "'showers' holds double, expected a list", pa.array([1.0] * N))
    table("words", r"expected a list of numbers", pa.array([["a"]] * N))
    table("column", "no number for y_cm by the built-in mapping", y_cm=None)
    table("incident", "'incident' has 0.5 in row 1", incident=pa.array([0, 0.5, 1, 2, 3]))
    double = pa.table([good, good], names=["showers", "showers"])
    pq.write_table(double, tmp_path / "double")
    files["double"] = (tmp_path / "double", "'showers' is there twice")
    note = pa.table({"showers": good}).replace_schema_metadata({"caloforge": "{"})
    pq.write_table(note, tmp_path / "note")
    files["note"] = (tmp_path / "note", "metadata 'caloforge' is not readable")
    return files


def test_broken_files_are_refused_in_one_line(tmp_path) -> None:
    geometry = geometry_file(tmp_path)
    for name, (path, message) in broken(tmp_path).items():
        with pytest.raises(DataFormatError, match=message) as refusal:
            read(path, geometry=geometry)
        assert "\n" not in str(refusal.value), name
        assert str(refusal.value).startswith(str(path)), name


def test_one_column_a_cell(tmp_path) -> None:
    cells = {f"c{k}": pa.array(COUNTS[:, k]) for k in range(12)}
    path = foreign(tmp_path / "a.parquet", None, **cells)
    geometry = geometry_file(tmp_path)
    with pytest.raises(DataFormatError, match=r'\[cells\] branch = \["c0", "c1", ... "c11"\]'):
        read(path, geometry=geometry)
    mapping = tmp_path / "m.toml"
    mapping.write_text(f"[cells]\nbranch = {[*cells]}\n")
    piece, _ = read(path, geometry=geometry, mapping=mapping)
    np.testing.assert_array_equal(piece.showers, COUNTS)


def test_text_where_a_number_is_needed(tmp_path) -> None:
    text = pa.array(["1.5"] * N)
    path = foreign(tmp_path / "a.parquet", pa.array(COUNTS.tolist()), energy_gev=text)
    with pytest.raises(DataFormatError, match="'energy_gev' is there as text"):
        read(path, geometry=geometry_file(tmp_path))


def test_flipped_bits_in_our_files_are_found(tmp_path) -> None:
    path = tmp_path / "a.parquet"
    sample = load_sample("zn-test").select(slice(0, 200))
    write(path, sample.geometry, sample.particles, sample.showers, step=200)
    column = pq.ParquetFile(path).metadata.row_group(0).column(11)
    assert column.path_in_schema.startswith("showers")
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataFormatError, match="damaged"):
        read(path)


def test_geometry_is_asked_for_with_a_hint(tmp_path) -> None:
    zn = pa.array(np.ones((N, 1936)).tolist())
    path = foreign(tmp_path / "zn.parquet", zn)
    with pytest.raises(DataFormatError, match=r"give --geometry \(.* as many cells: zn\)"):
        read(path)
    path = foreign(tmp_path / "other.parquet", pa.array(COUNTS.tolist()))
    with pytest.raises(DataFormatError, match="give --geometry with one of"):
        read(path)
    assert read(foreign(tmp_path / "zn", zn), geometry="zn")[1].geometry.name == "zn"
    write(tmp_path / "ours", GRID, particles(), COUNTS)
    source = read(tmp_path / "ours", geometry=geometry_file(tmp_path, (4, 3)))[1]
    assert "geometry 'g' replaced by 'g'" in source.conversions


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[cells]\nbranch = ["a", "b"]\n', "expected one branch"),
        ('[cells]\nbranch = "a"\nindex = ["i", "j"]\n', "at most one index"),
        ('[columns]\nx_cm = "a"\ny_cm = "a"\n', "two columns are called 'a'"),
        ('[columns]\nx_cm = "showers"\n', "two columns are called 'showers'"),
        ('[cells]\nunit = "furlong"\n', "unit"),
    ],
)
def test_mappings_that_cannot_be_written(tmp_path, text, message) -> None:
    (tmp_path / "m.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        write(tmp_path / "a.parquet", GRID, particles(), COUNTS, mapping=tmp_path / "m.toml")
    assert [path.name for path in tmp_path.iterdir()] == ["m.toml"]


def test_nothing_is_left_of_a_failure(tmp_path) -> None:
    path = tmp_path / "a.parquet"
    bad = COUNTS.astype(float)
    bad[3, 1] = -1
    with pytest.raises(DataFormatError, match="shower 3 at cell 1"):
        write(path, GRID, particles(), bad)
    with pytest.raises(DataFormatError, match="no shower to write"):
        write(path, GRID, particles(0), COUNTS[:0])
    options = WriteOptions({})
    with FORMAT.write(path, GRID, options) as sink:
        sink.append(particles(), COUNTS)
        with pytest.raises(DataFormatError, match="pieces differ"):
            sink.append(particles(further=np.ones(N)), COUNTS)
    path.unlink()
    with (
        pytest.raises(DataFormatError, match="at most 4294967295"),
        FORMAT.write(path, GRID, options) as sink,
    ):
        sink.append(particles(), COUNTS + 2**32)
    assert list(tmp_path.iterdir()) == []
    write(path, GRID, particles(), COUNTS)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="--force"):
        write(path, GRID, particles(), COUNTS)
    assert path.read_bytes() == before


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path) -> None:
    script = (
        "import resource, signal, sys; from tests.formats.test_parquet import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "cells = np.random.default_rng(0).random((3000, CYLINDER.n_cells))\n"
        "try: write(Path(sys.argv[1]), CYLINDER, particles(3000), cells, step=3000)\n"
        "except OutputError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.parquet")],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert "a.parquet: cannot be written (File too large); free some space" in done.stdout
    assert list(tmp_path.iterdir()) == []


PEAK = """
import sys
from pathlib import Path
from caloforge.formats.format import ReadOptions, WriteOptions
from caloforge.formats.parquet.table import FORMAT
import pyarrow.parquet
from caloforge.data import Particles
import numpy as np

def peak():  # of this process: that of resource.getrusage is inherited from the tests
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024

before, n = peak(), 0
with FORMAT.read((Path(sys.argv[1]),), ReadOptions(geometry="zn")) as source:
    with FORMAT.write(Path(sys.argv[2]), source.geometry, WriteOptions({})) as sink:
        for piece in source.pieces(1000):
            sink.append(Particles(piece.columns, np.zeros(len(piece.showers))), piece.showers)
            n += len(piece.showers)
print(n, peak() - before)
"""


def test_memory_is_bounded_in_a_single_large_row_group(tmp_path) -> None:
    rng = np.random.default_rng(0)
    part = foreign_table(np.where(rng.random((1000, 1936)) < 0.03, 7, 0).astype(np.uint16))
    path = tmp_path / "big.parquet"
    pq.write_table(pa.concat_tables([part] * 30), path, row_group_size=30_000)
    assert pq.ParquetFile(path).metadata.num_row_groups == 1
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path), str(tmp_path / "out.parquet")],
        capture_output=True,
        text=True,
        check=True,
    )
    n, megabytes = done.stdout.split()
    assert int(n) == 30_000
    # The cells are 232 MB as decoded (32 bits each), in the table read and in the one written.
    assert float(megabytes) < 300
    assert pq.ParquetFile(tmp_path / "out.parquet").metadata.num_rows == 30_000


def foreign_table(cells: np.ndarray) -> pa.Table:
    n = len(cells)
    columns = {name: pa.array(particles(n)[name]) for name in PARTICLE_COLUMNS}
    ends = pa.array(np.arange(n + 1, dtype=np.int32) * cells.shape[1])
    return pa.table(
        columns | {"showers": pa.ListArray.from_arrays(ends, pa.array(cells.ravel()))}
    )


def test_to_a_shower_file_and_back(tmp_path) -> None:
    there = convert(["zn-test"], tmp_path / "a.parquet")
    assert there.format == "parquet"
    convert([tmp_path / "a.parquet"], tmp_path / "b.h5")
    from caloforge.data import ShowerFile, sample_path

    with ShowerFile(sample_path("zn-test")) as first, ShowerFile(tmp_path / "b.h5") as second:
        assert first.sha256() == second.sha256()


@pytest.mark.parametrize("name", ["", ".", "a\0b", "x" * 70_000])
def test_columns_whose_names_no_file_can_hold_are_left_out(tmp_path, name):
    convert(["zn-test"], tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    more = table.append_column(name, pa.array(np.arange(len(table)) * 1.0))
    pq.write_table(more, tmp_path / "b.parquet")
    report = convert([tmp_path / "b.parquet"], tmp_path / "b.h5", options=ReadOptions("zn"))
    (said,) = [text for text in report.conversions if text.startswith("left out")]
    assert "no file can hold such a name" in said
    assert len(said) < 200
    assert read_showers(tmp_path / "b.h5").particles.names == tuple(PARTICLE_COLUMNS)
