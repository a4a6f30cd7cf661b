"""Point clouds, held against the showerdata package: it reads ours, and we read its files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.data import PARTICLE_COLUMNS, Particles, ShowerFile, load_sample, sample_path
from caloforge.errors import ConfigError, DataFormatError, OutputError
from caloforge.formats.conversion import convert
from caloforge.formats.format import ReadOptions, WriteOptions
from caloforge.formats.point_cloud.cells import PointCells
from caloforge.formats.point_cloud.clouds import FORMAT
from caloforge.formats.registry import recognised
from caloforge.geometry import (
    CylinderLayer,
    CylinderLayout,
    DetectorGeometry,
    GridLayout,
    load_geometry,
)

showerdata = pytest.importorskip("showerdata")

GRID = DetectorGeometry("g", "g", GridLayout((3, 5), (0.4, 0.3)), unit="photons", counts=True)
CYLINDER = DetectorGeometry(
    "c",
    "c",
    CylinderLayout(
        (
            CylinderLayer((0.0, 5.0, 9.0), 3),
            CylinderLayer((0,)),
            CylinderLayer((1, 2, 4)),
            CylinderLayer((0.0, 2.5), 10),
        )
    ),
    unit="MeV",
    counts=False,
)


def particles(n: int, **columns: np.ndarray) -> Particles:
    rng = np.random.default_rng(n)
    table = {name: rng.normal(size=n) for name in PARTICLE_COLUMNS}
    table |= {"pdg": np.full(n, 22), "energy_gev": rng.random(n) + 1}
    return Particles(table | columns, np.arange(n) // 2)


def write(path: Path, geometry, sample, showers, cpu=None, step=2) -> None:
    with FORMAT.write(path, geometry, WriteOptions({"made by": "a test"})) as sink:
        for start in range(0, len(showers), step):
            rows = slice(start, start + step)
            part = None if cpu is None else cpu[rows]
            sink.append(sample.select(rows), showers[rows], part)


def read(path: Path, size: int = 3, **options):
    """Return showers, columns, numbers of particles, and the source."""
    with FORMAT.read((path,), ReadOptions(**options)) as source:
        source.conversions  # noqa: B018 - as long as the file is open
        pieces = list(source.pieces(size))
        assert sum(len(piece.showers) for piece in pieces) == source.n_showers
        columns = {
            name: np.concatenate([piece.columns[name] for piece in pieces])
            for name in pieces[0].columns
        }
        incident = None
        if pieces[0].incident is not None:
            incident = np.concatenate([piece.incident for piece in pieces])
        return np.concatenate([piece.showers for piece in pieces]), columns, incident, source


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_round_trip(tmp_path_factory, data) -> None:
    path = tmp_path_factory.mktemp("round") / "a.h5"
    geometry = data.draw(st.sampled_from([GRID, CYLINDER]))
    n = data.draw(st.integers(1, 7))
    cell = st.just(0) | (
        st.integers(0, 2**24) if geometry.counts else st.floats(2.0**-60, 2.0**60, width=32)
    )
    rows = st.lists(cell, min_size=geometry.n_cells, max_size=geometry.n_cells)
    showers = np.array(data.draw(st.lists(rows, min_size=n, max_size=n)), np.float32)
    further = np.array(data.draw(st.lists(st.floats(-1e9, 1e9), min_size=n, max_size=n)))
    sample = particles(n, further=further)
    cpu = data.draw(st.sampled_from([None, np.arange(n, dtype=np.float32)]))
    write(path, geometry, sample, showers, cpu, data.draw(st.integers(1, 4)))
    found, columns, incident, source = read(path, data.draw(st.integers(1, 5)))
    # MeV to GeV and back in float32: twice half of a last digit.
    np.testing.assert_allclose(found, showers, rtol=0 if geometry.counts else 2.0**-23)
    assert set(columns) == set(sample.names)
    for name in sample.names:
        np.testing.assert_array_equal(columns[name], sample[name])
    np.testing.assert_array_equal(incident, sample.incident)
    assert source.geometry == geometry
    assert source.provenance == {"made by": "a test"}
    assert not any("left out" in text for text in source.conversions)


@pytest.mark.parametrize("name", ["zn-test", "cylinder-test"])
def test_the_package_reads_our_files(tmp_path, name) -> None:
    sample = load_sample(name).select(slice(0, 60))
    path = tmp_path / "a.h5"
    write(path, sample.geometry, sample.particles, sample.showers, step=25)
    theirs = showerdata.load(path)
    factor = 1 if sample.geometry.counts else 1000
    sums = sample.showers.sum(axis=1, dtype=np.float64)
    np.testing.assert_allclose(theirs.points[:, :, 3].sum(axis=1) * factor, sums, rtol=1e-5)
    lit = np.count_nonzero(sample.showers, axis=1)
    np.testing.assert_array_equal(theirs._num_points, lit)
    assert theirs.points.shape == (60, lit.max(), 4)
    np.testing.assert_allclose(theirs.energies[:, 0], sample.particles["energy_gev"], rtol=1e-6)
    np.testing.assert_array_equal(theirs.pdg, sample.particles["pdg"])
    np.testing.assert_allclose(np.linalg.norm(theirs.directions, axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(theirs.shower_ids, np.arange(60))
    assert showerdata.get_file_shape(path) == theirs.points.shape
    with showerdata.ShowerDataFile(path) as file:
        assert file[7:9] == theirs[7:9]
    if sample.geometry.kind == "cylinder":  # the layers of the package are our channels
        per_layer = showerdata.observables.calc_energy_per_layer(theirs, 45)
        ours = sample.geometry.channels("layers").sums(sample.showers)
        np.testing.assert_allclose(per_layer * 1000, ours, rtol=1e-4)


def theirs(path: Path, points, **columns) -> Path:
    """A file that the package itself writes."""
    n = len(points)
    table = {"energies": np.linspace(1, 2, n), "pdg": np.full(n, 11)} | columns
    showerdata.save(showerdata.Showers(points=np.asarray(points, np.float32), **table), path)
    return path


def test_files_of_the_package(tmp_path) -> None:
    # Layer 0: 3 sectors of 2 rings, edges 0, 5, 9 mm. Cell = sector * 2 + ring.
    third = 2 * np.pi / 3
    points = np.zeros((3, 4, 5))
    points[0] = [
        [1, 1, 0, 0.001, 7],  # first sector, inner ring: cell 0
        [2, 2, 0, 0.002, 7],  # the same
        [6 * np.cos(1.5 * third), 6 * np.sin(1.5 * third), 0, 0.004, 7],  # cell 3
        [0, -3, 2, 0.008, 7],  # layer 2 (one sector, rings 1-2-4): its outer ring, cell 7
    ]
    points[2, 0] = [-1, -0.1, 3, 0.5, 1]  # layer 3: tenth parts from 0; cell 8 + 5
    directions = np.array([[0, 0, 1], [0.6, 0, 0.8], [0, 0, -1]])
    path = theirs(tmp_path / "theirs.h5", points, directions=directions)
    assert recognised(path) is FORMAT
    geometry = tmp_path / "c.toml"
    geometry.write_text(TOML)
    showers, columns, incident, source = read(path, geometry=str(geometry))
    expected = np.zeros((3, 18))
    expected[0, [0, 3, 7]] = 3, 4, 8
    expected[2, 13] = 500
    np.testing.assert_allclose(showers, expected, rtol=1e-6)
    assert incident is None
    np.testing.assert_allclose(columns["energy_gev"], [1, 1.5, 2])
    momentum = np.sqrt(np.square([1, 1.5, 2]) - (0.51099895e-3) ** 2)
    np.testing.assert_allclose(columns["pz_gev"], momentum * [1, 0.8, -1], rtol=1e-6)
    np.testing.assert_allclose(columns["px_gev"], momentum * [0, 0.6, 0], rtol=1e-6)
    assert columns["charge_e"].tolist() == [-1, -1, -1]
    assert columns["z_cm"].tolist() == [0, 0, 0]
    assert "points: GeV to MeV, times 1000" in source.conversions
    assert "times of the points: left out" in source.conversions
    assert source.provenance["showerdata_version"] == showerdata.__version__


TOML = """
name = "c"
kind = "cylinder"
response = { unit = "MeV", counts = false }
[[layers]]
r_edges_mm = [0, 5, 9]
n_angles = 3
[[layers]]
r_edges_mm = [0]
[[layers]]
r_edges_mm = [1, 2, 4]
[[layers]]
r_edges_mm = [0, 2.5]
n_angles = 10
"""


def test_points_outside_are_counted_and_said(tmp_path) -> None:
    points = np.zeros((2, 3, 4))
    points[0] = [[1, 1, 0, 1], [9.5, 0, 0, 2], [1, 1, 1, 3]]  # beyond the edge, empty layer
    points[1] = [[0.5, 0, 2, 4], [1, 1, 4, 5], [0, 2, 2, 5]]  # in the hole, behind the last
    points[1, 1, :2] = 3e38, 1
    path = theirs(tmp_path / "a.h5", points)
    (tmp_path / "c.toml").write_text(TOML)
    showers, _, _, source = read(path, geometry=str(tmp_path / "c.toml"))
    np.testing.assert_allclose(showers.sum(axis=1), [1000, 5000])
    text = (
        "WARNING: points outside of all cells of 'c': 4 of 6 left out, with 70 % of the sum; "
        "give the right --geometry"
    )
    assert text in source.conversions
    report = convert(
        [path], tmp_path / "b.h5", options=ReadOptions(geometry=str(tmp_path / "c.toml"))
    )
    assert text in report.conversions
    with ShowerFile(tmp_path / "b.h5") as file:
        assert text in file.provenance["conversions"]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([GRID, CYLINDER]))
def test_every_point_goes_to_the_cell_that_holds_it(seed, geometry) -> None:
    rng = np.random.default_rng(seed)
    layers = len(geometry.layout.layers) if geometry is CYLINDER else 1
    points = np.stack(
        [
            *(rng.uniform(-10, 10, (2, 50))),
            rng.integers(0, layers, 50).astype(float),
            np.ones(50),
        ],
        axis=1,
    ).astype(np.float32)
    cells = PointCells(geometry, geometry.unit, source="test")
    found, _ = cells.sort(points, np.array([50]), 0)
    for (x, y, layer, _), cell in zip(points.astype(float), found.tolist(), strict=True):
        if geometry is GRID:
            i, j = np.floor([(x / 10 + 0.6) / 0.4, (y / 10 + 0.75) / 0.3]).astype(int)
            expected = i * 5 + j if 0 <= i < 3 and 0 <= j < 5 else -1
        else:
            part = geometry.layout.layers[int(layer)]
            edges, radius = part.r_edges_mm, np.hypot(x, y)
            rings = [k for k in range(part.shape[1]) if edges[k] <= radius < edges[k + 1]]
            sector = int(np.degrees(np.arctan2(y, x)) % 360 // (360 / part.n_angles))
            start = geometry.layout.slices[int(layer)].start
            expected = start + sector * part.shape[1] + rings[0] if rings else -1
        assert cell == expected


@pytest.mark.parametrize("name", ["zn", "zp", "cylinder", "cylinder-fine"])
def test_the_place_of_a_cell_lies_in_it(name) -> None:
    geometry = load_geometry(name)
    cells = PointCells(geometry, geometry.unit, source="test")
    places = cells.places()
    points = np.concatenate((places, np.ones((len(places), 1))), axis=1).astype(np.float32)
    found, _ = cells.sort(points, np.array([len(points)]), 0)
    np.testing.assert_array_equal(found, np.arange(geometry.n_cells))


def test_a_little_outside_is_no_warning(tmp_path) -> None:
    points = np.zeros((1, 2, 4))
    points[0] = [[1, 1, 0, 1], [9.5, 0, 0, 0.005]]
    (tmp_path / "c.toml").write_text(TOML)
    path = theirs(tmp_path / "a.h5", points)
    *_, source = read(path, geometry=str(tmp_path / "c.toml"))
    assert (
        "points outside of all cells of 'c': 1 of 2 left out, with 0.498 % of the sum"
        in source.conversions
    )


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("which", range(4))
def test_a_point_that_is_nowhere_makes_the_shower_unusable(tmp_path, which, number) -> None:
    points = np.zeros((3, 2, 4))
    points[:] = [1, 1, 0, 1]
    points[1, 1, which] = number
    (tmp_path / "c.toml").write_text(TOML)
    path = theirs(tmp_path / "a.h5", points)
    showers, _, _, source = read(path, geometry=str(tmp_path / "c.toml"))
    assert np.isnan(showers).any(axis=1).tolist() == [False, True, False]
    assert not any("outside" in text for text in source.conversions)
    options = ReadOptions(geometry=str(tmp_path / "c.toml"))
    with pytest.raises(DataFormatError, match="not finite, first in shower 1 "):
        convert([path], tmp_path / "b.h5", options=options)
    assert convert([path], tmp_path / "b.h5", options=options, skip_bad=True).n_written == 2


def test_files_of_ours_that_another_program_changed(tmp_path) -> None:
    sample = load_sample("cylinder-test").select(slice(0, 20))
    path = tmp_path / "a.h5"
    write(path, sample.geometry, sample.particles, sample.showers)
    with h5py.File(path, "r+") as file:
        file["energies"][:] = file["energies"][:][::-1]
    _, columns, incident, source = read(path)
    assert incident is None  # our columns no longer belong to these showers
    np.testing.assert_allclose(
        columns["energy_gev"], sample.particles["energy_gev"][::-1], rtol=1e-6
    )
    assert "energies: taken as total energies" in source.conversions


def test_another_mesh_is_said(tmp_path) -> None:
    sample = load_sample("cylinder-test").select(slice(0, 3))
    write(tmp_path / "a.h5", sample.geometry, sample.particles, sample.showers)
    showers, _, _, source = read(tmp_path / "a.h5", geometry="cylinder-fine")
    assert source.conversions[0] == (
        "geometry 'cylinder', with a point in the middle of each cell, "
        "replaced by 'cylinder-fine'"
    )
    np.testing.assert_allclose(showers.sum(), sample.showers.sum(), rtol=1e-5)


def test_kind_may_be_said(tmp_path) -> None:
    (tmp_path / "c.toml").write_text(TOML)
    geometry = str(tmp_path / "c.toml")
    path = theirs(tmp_path / "a.h5", np.zeros((2, 1, 4)), pdg=np.zeros(2, int))
    assert read(path, geometry=geometry, pdg=22)[1]["pdg"].tolist() == [22, 22]
    path = theirs(tmp_path / "c.h5", np.zeros((2, 1, 4)))
    with pytest.raises(ConfigError, match=r"found pdg 11, expected 22 by --pdg; leave --pdg"):
        read(path, geometry=geometry, pdg=22)
    write(tmp_path / "b.h5", CYLINDER, particles(2), np.zeros((2, 18), np.float32))
    assert read(tmp_path / "b.h5", pdg=22)[1]["pdg"].tolist() == [22, 22]
    with pytest.raises(ConfigError, match=r"found pdg 22, expected 11 by --pdg; leave --pdg"):
        read(tmp_path / "b.h5", pdg=11)


def broken(tmp_path: Path):
    points = np.zeros((4, 2, 4))
    points[:, 0] = [1, 1, 0, 1]

    def changed(name: str, message: str, change, **columns):
        path = theirs(tmp_path / name, points, **columns)
        with h5py.File(path, "r+") as file:
            change(file)
        return path, message

    def drop(name):
        return lambda file: file.__delitem__(name)

    def put(name, value):
        def change(file):
            del file[name]
            file[name] = value

        return change

    def cloud(row, values):
        def change(file):
            file["showers"][row] = np.array(values, np.float32)

        return change

    yield changed("a", "no data set 'energies'", drop("energies"))
    yield changed("b", "no data set 'showers'.*incident particles only", drop("showers"))
    yield changed("c", r"'shape' is \[4, 2\]", put("shape", [4, 2]))
    yield changed("d", r"'pdg' has shape \(3,\), expected \(4,\)", put("pdg", [1, 1, 1]))
    yield changed("e", "expected one list of numbers", put("showers", np.zeros((4, 2, 4))))
    yield changed("f", "shower 2 has 3 numbers, expected 4", cloud(2, [1, 1, 0]))
    yield changed(
        "g", "shower 3 has a point at z = 0.5, expected the number", cloud(3, [1, 1, 0.5, 1])
    )
    cut = tmp_path / "i"
    cut.write_bytes(theirs(tmp_path / "whole", points).read_bytes()[:3000])
    yield cut, "cut off"


def test_broken_files_are_refused_in_one_line(tmp_path) -> None:
    (tmp_path / "c.toml").write_text(TOML)
    for path, message in broken(tmp_path):
        with pytest.raises(DataFormatError, match=message) as refusal:
            read(path, geometry=str(tmp_path / "c.toml"))
        assert "\n" not in str(refusal.value)
        assert str(refusal.value).startswith(f"{path}: ")


def test_geometries_that_do_not_fit(tmp_path) -> None:
    points = np.zeros((2, 2, 4))
    points[:, :] = [1, 1, 3, 1]
    path = theirs(tmp_path / "a.h5", points)
    with pytest.raises(DataFormatError, match="give --geometry with those to sort them into"):
        read(path)
    with pytest.raises(DataFormatError, match="points have energies in GeV, geometry 'zn' has"):
        read(path, geometry="zn")
    (tmp_path / "grid.toml").write_text(
        'name = "flat"\nkind = "grid"\nresponse = { unit = "GeV", counts = false }\n'
        "grid = { cells = [4, 4] }\n"
    )
    with pytest.raises(DataFormatError, match="the grid 'flat' has layer 0 only"):
        read(path, geometry=str(tmp_path / "grid.toml"))
    points[:, :, 2] = 0
    flat = theirs(tmp_path / "b.h5", points)
    assert read(flat, geometry=str(tmp_path / "grid.toml"))[0].sum() == 4


def test_negative_points_are_left_to_the_checks(tmp_path) -> None:
    (tmp_path / "c.toml").write_text(TOML)
    path = theirs(tmp_path / "a.h5", np.ones((3, 1, 4)) * [1, 1, 0, 1])
    with h5py.File(path, "r+") as file:
        file["showers"][1] = np.array([1, 1, 0, -0.5], np.float32)
        file["showers"][2] = np.array([1, 1, 0, np.nan], np.float32)
    showers = read(path, geometry=str(tmp_path / "c.toml"))[0]
    np.testing.assert_array_equal(showers[:, 0], [1000, -500, np.nan])
    with pytest.raises(DataFormatError, match=r"negative cells|not finite"):
        convert(
            [path], tmp_path / "b.h5", options=ReadOptions(geometry=str(tmp_path / "c.toml"))
        )


def test_nothing_is_left_of_a_failure(tmp_path) -> None:
    path = tmp_path / "a.h5"
    cells = np.ones((4, 15))
    with pytest.raises(DataFormatError, match="at most 16777216"):
        write(path, GRID, particles(4), cells * (2**24 + 1))
    with pytest.raises(DataFormatError, match="shower 2 at cell 0"):
        write(path, GRID, particles(4), np.where(np.arange(4)[:, None] == 2, -cells, cells))
    with pytest.raises(DataFormatError, match="no shower to write"):
        write(path, GRID, particles(0), cells[:0])
    assert list(tmp_path.iterdir()) == []
    write(path, GRID, particles(4), cells)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="--force"):
        write(path, GRID, particles(4), cells)
    assert path.read_bytes() == before


PEAK = """
import sys
from pathlib import Path
import h5py, numpy as np, particle
from caloforge.data import Particles
from caloforge.formats.format import ReadOptions, WriteOptions
from caloforge.formats.point_cloud.clouds import FORMAT

def peak():  # of this process: that of resource.getrusage is inherited from the tests
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024

before, n = peak(), 0
with FORMAT.read((Path(sys.argv[1]),), ReadOptions(geometry="cylinder")) as source:
    source.conversions
    with FORMAT.write(Path(sys.argv[2]), source.geometry, WriteOptions({})) as sink:
        for piece in source.pieces(1000):
            sink.append(Particles(piece.columns, np.zeros(len(piece.showers))), piece.showers)
            n += len(piece.showers)
print(n, peak() - before)
"""


def test_memory_is_bounded(tmp_path) -> None:
    # 24 million numbers of points: 96 MB in the file, three times that as float64.
    rng, n, points = np.random.default_rng(0), 3000, 2000
    path = tmp_path / "big.h5"
    cloud = np.stack(
        [*rng.normal(0, 10, (2, points)), rng.integers(0, 45, points), rng.random(points)],
        axis=1,
    )
    part = showerdata.Showers(
        points=np.broadcast_to(cloud, (500, points, 4)), energies=np.ones(500), pdg=22
    )
    with showerdata.ShowerDataFile(path, "w", (n, points, 4)) as file:
        for start in range(0, n, 500):
            file[start : start + 500] = part
    assert path.stat().st_size > 96_000_000
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path), str(tmp_path / "out.h5")],
        capture_output=True,
        text=True,
        check=True,
    )
    showers, megabytes = done.stdout.split()
    assert int(showers) == n
    assert float(megabytes) < 250


def test_to_a_shower_file_and_back(tmp_path) -> None:
    convert(["zn-test"], tmp_path / "a.h5", to="showerdata")
    convert([tmp_path / "a.h5"], tmp_path / "b.h5")
    with ShowerFile(sample_path("zn-test")) as first, ShowerFile(tmp_path / "b.h5") as second:
        assert first.sha256() == second.sha256()
