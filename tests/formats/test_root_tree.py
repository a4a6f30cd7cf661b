"""ROOT files: what uproot and we write is read back; what is broken is named."""

import subprocess
import sys

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from caloforge.data import read_showers
from caloforge.errors import CaloforgeError, ConfigError, DataFormatError, MissingExtraError
from caloforge.formats.conversion import convert
from caloforge.formats.format import ReadOptions
from caloforge.formats.registry import open_showers
from caloforge.formats.root.tree import FORMAT

PARTICLE = {
    "pdg": np.int32(2112),
    "energy_gev": 100.0,
    "x_cm": 0.1,
    "y_cm": -0.2,
    "z_cm": -11261.2,
    "px_gev": 0.0,
    "py_gev": 0.0,
    "pz_gev": -99.9956,
    "mass_mev": 939.565,
    "charge_e": 0.0,
}


def columns(n):
    rng = np.random.default_rng(n)
    table = {name: np.full(n, value) for name, value in PARTICLE.items()}
    table["energy_gev"] = rng.uniform(10, 1000, n)
    return table


def images(n, shape=(44, 44), dtype=np.uint16):
    return np.random.default_rng(n + 1).poisson(0.1, (n, *shape)).astype(dtype)


def written(path, trees, **options):
    with uproot.recreate(path, **options) as file:
        for name, table in trees.items():
            file.mktree(name, {key: branch_type(values) for key, values in table.items()})
            file[name].extend(table)
    return path


def branch_type(values):
    if isinstance(values, np.ndarray):
        return np.dtype((values.dtype, values.shape[1:]))
    return ak.type(values).content


def read(paths, size=1000, **options):
    """All rows of one or more files as one piece."""
    mapping = options.pop("mapping", None)
    options = ReadOptions(mapping=mapping, **options)
    paths = paths if isinstance(paths, list) else [paths]
    with open_showers(paths, options=options) as source:
        pieces = list(source.pieces(size))
        names = pieces[0].columns
        table = {name: np.concatenate([p.columns[name] for p in pieces]) for name in names}
        return source, table, np.concatenate([p.showers for p in pieces])


def toml(tmp_path, text):
    path = tmp_path / "mapping.toml"
    path.write_text(text)
    return path


class TestDense:
    def test_a_tree_with_our_names_needs_no_mapping(self, tmp_path):
        path = written(tmp_path / "a.root", {"t": {**columns(30), "cells": images(30)}})
        source, table, showers = read(path)
        assert source.geometry.name == "zn"  # by its 44 x 44 cells
        assert source.n_showers == 30
        assert source.conversions == ()
        np.testing.assert_array_equal(showers, images(30).reshape(30, -1))
        for name, values in columns(30).items():
            np.testing.assert_array_equal(table[name], values)

    @pytest.mark.parametrize("size", [1, 7, 30, 1000])
    def test_pieces_of_any_size_hold_the_same(self, tmp_path, size):
        path = written(tmp_path / "a.root", {"t": {**columns(30), "cells": images(30)}})
        np.testing.assert_array_equal(read(path, size)[2], images(30).reshape(30, -1))

    @pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i8", "f4", "f8", "?"])
    def test_cells_and_scalars_of_any_type(self, tmp_path, toy_grid, tmp_path_factory, dtype):
        cells = (images(9, (6, 4)) > 0).astype(dtype)
        table = {**columns(9), "charge_e": np.ones(9, dtype=dtype), "cells": cells}
        path = written(tmp_path / "a.root", {"t": table})
        _, found, showers = read(path, geometry=detector(tmp_path, toy_grid))
        np.testing.assert_array_equal(showers, cells.reshape(9, -1))
        assert showers.dtype.kind in "iuf"
        np.testing.assert_array_equal(found["charge_e"], 1)

    def test_further_scalars_come_along(self, tmp_path):
        table = {**columns(5), "theta_max": np.arange(5.0), "cells": images(5)}
        _, found, _ = read(written(tmp_path / "a.root", {"t": table}))
        np.testing.assert_array_equal(found["theta_max"], np.arange(5))

    def test_further_scalars_that_look_like_ours_are_left_out_and_said(self, tmp_path):
        table = {**columns(5), "energy_gevs": np.arange(5.0), "cells": images(5)}
        source, found, _ = read(written(tmp_path / "a.root", {"t": table}))
        assert "energy_gevs" not in found
        (said,) = source.conversions
        assert said == "left out branch 'energy_gevs': did you mean 'energy_gev'?"

    def test_lists_with_all_cells_in_each_row(self, tmp_path, toy_grid):
        cells = images(9, (24,), np.float32)
        flat = ak.unflatten(cells.ravel(), np.full(9, 24))
        path = written(tmp_path / "a.root", {"t": {**columns(9), "cells": flat}})
        _source, table, showers = read(path, geometry=detector(tmp_path, toy_grid))
        np.testing.assert_array_equal(showers, cells)
        assert "ncells" not in table  # the counter of the list is no property of a particle

    def test_an_image_with_x_fastest_is_turned(self, tmp_path):
        cells = images(4, (30, 56))
        path = written(tmp_path / "a.root", {"t": {**columns(4), "cells": cells}})
        mapping = toml(tmp_path, '[cells]\nbranch = "cells"\norder = "yx"')
        source, _, showers = read(path, mapping=mapping)
        assert source.geometry.name == "zp"
        np.testing.assert_array_equal(showers.reshape(-1, 56, 30), cells.transpose(0, 2, 1))

    def test_cells_in_several_branches(self, tmp_path, toy_cylinder):
        cells = images(4, (15,), np.float32)
        table = {**columns(4), "l0": cells[:, :1], "l1": cells[:, 1:7], "l3": cells[:, 7:]}
        path = written(tmp_path / "a.root", {"t": table})
        mapping = toml(tmp_path, '[cells]\nbranch = ["l0", "l1", "l3"]')
        geometry = detector(tmp_path, toy_cylinder)
        np.testing.assert_array_equal(read(path, mapping=mapping, geometry=geometry)[2], cells)


class TestSparse:
    @pytest.mark.parametrize("first", [0, 1])
    def test_pairs_of_number_and_response(self, tmp_path, first):
        cells = images(20).reshape(20, -1)
        row, cell = np.nonzero(cells)
        counts = np.bincount(row, minlength=20)
        table = {
            **columns(20),
            "id": ak.unflatten((cell + first).astype(np.int32), counts),
            "photons": ak.unflatten(cells[row, cell].astype(np.int32), counts),
        }
        path = written(tmp_path / "a.root", {"t": table})
        text = f'[cells]\nbranch = "photons"\nindex = "id"\nfirst_index = {first}'
        source, _, showers = read(path, 7, mapping=toml(tmp_path, text), geometry="zn")
        np.testing.assert_array_equal(showers, cells)
        assert any("pairs" in sentence for sentence in source.conversions)

    def test_hits_of_one_cell_add_up_and_rows_may_be_empty(self, tmp_path, toy_grid):
        table = {
            **columns(3),
            "cell_index": ak.values_astype(ak.Array([[5, 5, 2], [], [23]]), np.int32),
            "cell_value": ak.values_astype(ak.Array([[1.5, 2.0, 4.0], [], [7]]), np.float32),
        }
        path = written(tmp_path / "a.root", {"t": table})
        _, _, showers = read(path, geometry=detector(tmp_path, toy_grid))
        expected = np.zeros((3, 24), np.float32)
        expected[0, 5], expected[0, 2], expected[2, 23] = 3.5, 4, 7
        np.testing.assert_array_equal(showers, expected)

    def test_layer_angle_and_radius_of_an_irregular_cylinder(self, tmp_path, toy_cylinder):
        # Layer 1 has 3 sectors of 2 rings after 1 cell; layer 3 has 2 of 4 after 7 cells.
        table = {
            **columns(2),
            "layer": ak.values_astype(ak.Array([[0, 1], [3]]), np.int32),
            "a": ak.values_astype(ak.Array([[0, 2], [1]]), np.int32),
            "r": ak.values_astype(ak.Array([[0, 1], [2]]), np.int32),
            "e": ak.values_astype(ak.Array([[1, 2], [3]]), np.float32),
        }
        path = written(tmp_path / "a.root", {"t": table})
        text = '[cells]\nbranch = "e"\nindex = ["layer", "a", "r"]'
        geometry = detector(tmp_path, toy_cylinder)
        _, _, showers = read(path, mapping=toml(tmp_path, text), geometry=geometry)
        assert [tuple(np.flatnonzero(row)) for row in showers] == [(0, 6), (7 + 4 + 2,)]

    @pytest.mark.parametrize(
        ("index", "message"),
        [
            ([[0, 24], [1]], "row 0 has 24 in 'id', expected 0 to 23"),
            ([[0, 1], [-1]], "row 1 has -1 in 'id'"),
            ([[0, 1, 2], [1, 2]], "row 0 has 3 numbers in 'id' and 2 in 'v'"),
            ([[0.0, 1.0], [0.5]], "holds 0.5, expected cell numbers"),
        ],
    )
    def test_pairs_that_make_no_sense(self, tmp_path, toy_grid, index, message):
        kind = np.float64 if isinstance(index[0][0], float) else np.int32
        table = {
            **columns(2),
            "id": ak.values_astype(ak.Array(index), kind),
            "v": ak.Array([[1.0, 2.0], [3.0]]),
        }
        path = written(tmp_path / "a.root", {"t": table})
        mapping = toml(tmp_path, '[cells]\nbranch = "v"\nindex = "id"')
        with pytest.raises(DataFormatError, match=message):
            read(path, mapping=mapping, geometry=detector(tmp_path, toy_grid))


def detector(tmp_path, geometry):
    """Write a detector as TOML and return its path."""
    lines = [f'name = "{geometry.name}"', f'title = "{geometry.title}"']
    lines += [f'kind = "{geometry.kind}"']
    if geometry.kind == "grid":
        lines += ["[grid]", f"cells = {list(geometry.layout.cells)}"]
        lines += [f"pitch_cm = {list(geometry.layout.pitch_cm)}"]
    counts = str(geometry.counts).lower()
    lines += ["[response]", f'unit = "{geometry.unit}"', f"counts = {counts}"]
    if geometry.kind == "cylinder":
        for layer in geometry.layout.layers:
            lines += ["[[layers]]", f"r_edges_mm = {list(layer.r_edges_mm)}"]
            lines += [f"n_angles = {layer.n_angles}"]
    path = tmp_path / f"{geometry.name}.toml"
    path.write_text("\n".join(lines))
    return str(path)


class TestBadFiles:
    def test_a_missing_branch_is_named_with_a_cure(self, tmp_path):
        table = columns(3) | {"cells": images(3)}
        del table["x_cm"], table["y_cm"]
        path = written(tmp_path / "a.root", {"t": table})
        with pytest.raises(DataFormatError, match=r"no number for x_cm, y_cm .*x_cm = "):
            read(path)

    def test_a_misspelt_branch_is_offered(self, tmp_path):
        table = columns(3) | {"cells": images(3)}
        table["X_cm"] = table.pop("x_cm")
        path = written(tmp_path / "a.root", {"t": table})
        with pytest.raises(DataFormatError, match=r"did you mean 'X_cm' for x_cm\?;.*x_cm = "):
            read(path)

    def test_cells_that_are_not_there(self, tmp_path):
        path = written(tmp_path / "a.root", {"t": {**columns(3), "cels": images(3)}})
        with pytest.raises(DataFormatError, match="'cells' for the cells; did you mean 'cels'"):
            read(path)

    def test_several_trees_are_listed(self, tmp_path):
        table = {**columns(3), "cells": images(3)}
        path = written(tmp_path / "a.root", {"one": table, "two": table})
        with pytest.raises(DataFormatError, match=r"2 trees \('one', 'two'\).*tree = 'one'"):
            read(path)
        _, _, showers = read(path, mapping=toml(tmp_path, 'tree = "two"'))
        assert len(showers) == 3
        with pytest.raises(DataFormatError, match=r"no tree 'tvo' .*did you mean 'two'"):
            read(path, mapping=toml(tmp_path, 'tree = "tvo"'))

    def test_no_tree(self, tmp_path):
        with uproot.recreate(tmp_path / "a.root") as file:
            file["text"] = "nothing else"
        with pytest.raises(DataFormatError, match="found no tree"):
            read(tmp_path / "a.root")

    def test_an_rntuple_is_told(self, tmp_path):
        with uproot.recreate(tmp_path / "a.root") as file:
            file.mkrntuple("t", columns(3))
        with pytest.raises(DataFormatError, match=r"RNTuple as a TTree, .*mktree"):
            read(tmp_path / "a.root")

    def test_another_number_of_cells(self, tmp_path):
        path = written(tmp_path / "a.root", {"t": {**columns(3), "cells": images(3)}})
        with pytest.raises(DataFormatError, match="1936 cells in cells, expected 1680"):
            read(path, geometry="zp")

    @pytest.mark.parametrize("length", [0, 1935])
    def test_a_row_without_all_cells_is_one_unusable_shower(self, tmp_path, length):
        cells = images(3).reshape(3, -1).tolist()
        cells[1] = cells[1][:length]
        table = {**columns(3), "cells": ak.Array(cells)}
        path = written(tmp_path / "a.root", {"t": table})
        _, _, showers = read(path, geometry="zn")
        assert np.isnan(showers).all(axis=1).tolist() == [False, True, False]
        np.testing.assert_array_equal(showers[2], cells[2])

    def test_an_unknown_shape(self, tmp_path):
        path = written(tmp_path / "a.root", {"t": {**columns(3), "cells": images(3, (6, 4))}})
        with pytest.raises(DataFormatError, match=r"which detector .*\(6, 4\).*--geometry"):
            read(path)

    def test_a_list_where_a_number_is_needed(self, tmp_path):
        table = columns(2) | {"cells": images(2)}
        table["pdg"] = ak.Array([[1, 2], [3]])
        path = written(tmp_path / "a.root", {"t": table})
        with pytest.raises(DataFormatError, match="no number for pdg"):
            read(path)
        _, found, _ = read(path, pdg=22)
        np.testing.assert_array_equal(found["pdg"], 22)

    @pytest.mark.parametrize("keep", [4, 300, 0.5, 0.98])
    def test_a_file_that_is_cut_off(self, tmp_path, keep):
        path = written(tmp_path / "a.root", {"t": {**columns(300), "cells": images(300)}})
        data = path.read_bytes()
        path.write_bytes(data[: keep if keep > 1 else int(keep * len(data))])
        with pytest.raises(DataFormatError, match="cut off or damaged") as caught:
            read(path)
        assert "\n" not in str(caught.value)

    def test_damaged_baskets(self, tmp_path):
        path = written(tmp_path / "a.root", {"t": {**columns(300), "cells": images(300)}})
        data = bytearray(path.read_bytes())
        middle = len(data) // 2
        data[middle : middle + 400] = bytes(400)
        path.write_bytes(data)
        with pytest.raises(DataFormatError, match="cut off or damaged"):
            read(path)

    def test_the_output_of_o2_itself_is_told(self, tmp_path):
        table = {"ZDCResponseImage": ak.Array([[1.0], []]), "MCTrack": ak.Array([[1.0], []])}
        path = written(tmp_path / "o2sim.root", {"o2sim": table})
        with pytest.raises(DataFormatError, match="output of O2's simulation"):
            read(path)

    def test_without_uproot(self, tmp_path, monkeypatch):
        path = written(tmp_path / "a.root", {"t": {**columns(3), "cells": images(3)}})
        monkeypatch.setitem(sys.modules, "uproot", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'caloforge\[root\]'"):
            read(path)
        with pytest.raises(MissingExtraError, match=r"pip install 'caloforge\[root\]'"):
            convert(["zn-test"], tmp_path / "b.root")
        assert not (tmp_path / "b.root").exists()


class TestSeveralFiles:
    def test_files_follow_each_other(self, tmp_path):
        paths = [
            written(tmp_path / f"{n}.root", {"t": {**columns(n), "cells": images(n)}})
            for n in (4, 9)
        ]
        source, _table, showers = read(paths)
        assert source.n_showers == 13
        expected = np.concatenate([images(4), images(9)]).reshape(13, -1)
        np.testing.assert_array_equal(showers, expected)


class TestBaskets:
    """Baskets above the limit are expanded block by block; here, all of them."""

    @pytest.mark.parametrize(
        "compression", [None, uproot.ZLIB(1), uproot.LZ4(1), uproot.ZSTD(1), uproot.LZMA(1)]
    )
    def test_block_by_block_is_as_at_once(self, tmp_path, monkeypatch, compression):
        rng = np.random.default_rng(0)
        counts = rng.integers(0, 60, 200)
        hits = ak.unflatten(rng.integers(0, 1936, counts.sum()).astype(np.int32), counts)
        value = ak.unflatten(rng.integers(1, 9, counts.sum()).astype(np.int32), counts)
        table = {**columns(200), "cell_index": hits, "cell_value": value, "c": images(200)}
        path = written(tmp_path / "a.root", {"t": table}, compression=compression)
        dense = toml(tmp_path, '[cells]\nbranch = "c"')
        at_once = read(path, 64, geometry="zn")[2], read(path, 64, mapping=dense)[2]
        monkeypatch.setattr("caloforge.formats.root.baskets._LARGE_BYTES", 0)
        monkeypatch.setattr("caloforge.formats.root.baskets._RUN_BYTES", 10_000)
        np.testing.assert_array_equal(read(path, 64, geometry="zn")[2], at_once[0])
        np.testing.assert_array_equal(read(path, 64, mapping=dense)[2], at_once[1])
        np.testing.assert_array_equal(at_once[1], images(200).reshape(200, -1))

    def test_what_only_uproot_can_tell_is_the_same(self, tmp_path, monkeypatch):
        cells = images(50).reshape(50, -1)
        row, cell = np.nonzero(cells)
        counts = np.bincount(row, minlength=50)
        table = {
            **columns(50),
            "cell_index": ak.unflatten(cell.astype(np.int32), counts),
            "cell_value": ak.unflatten(cells[row, cell].astype(np.int32), counts),
            "c": images(50),
        }
        path = written(tmp_path / "a.root", {"t": table})
        # As for vectors of vectors, which uproot reads but does not write.
        monkeypatch.setattr("caloforge.formats.root.baskets._layout", lambda _: None)
        _, found, sparse = read(path, 8, geometry="zn")
        _, _, dense = read(path, 8, mapping=toml(tmp_path, '[cells]\nbranch = "c"'))
        np.testing.assert_array_equal(sparse, cells)
        np.testing.assert_array_equal(dense, cells)
        np.testing.assert_array_equal(found["energy_gev"], table["energy_gev"])

    def test_words_are_no_cells(self, tmp_path):
        path = tmp_path / "a.root"
        with uproot.recreate(path) as file:
            file.mktree("t", {"cells": "string"} | dict.fromkeys(columns(2), "f8"))
            file["t"].extend({**columns(2), "cells": ["a", "bc"]})
        with pytest.raises(DataFormatError, match=r"'cells' of type .* flatten the tree"):
            read(path, geometry="zn")

    def test_a_large_basket_is_read_in_little_memory(self, tmp_path):
        # 10,000 showers of 44 x 44 in float64 as one basket of 155 MB, nearly all of it 0:
        # expanded at once it takes 400 MB, block by block less than 200.
        make = (
            "import numpy as np, uproot, sys\n"
            "n = 10_000\n"
            "cells = np.zeros((n, 44, 44)); cells[:, 3, 4] = np.arange(n) % 7\n"
            "table = {'pdg': np.full(n, 22), 'energy_gev': np.ones(n), 'cells': cells}\n"
            "table |= {c: np.zeros(n) for c in ('x_cm', 'y_cm', 'z_cm', 'px_gev', 'py_gev')}\n"
            "table['pz_gev'] = np.ones(n)\n"
            "with uproot.recreate(sys.argv[1], compression=uproot.LZ4(1)) as file:\n"
            "    file.mktree('t', {k: np.dtype((v.dtype, v.shape[1:]))"
            " for k, v in table.items()})\n"
            "    file['t'].extend(table)\n"
        )
        use = (
            "import sys\n"
            "from caloforge.formats.registry import open_showers\n"
            "with open_showers([sys.argv[1]]) as source:\n"
            "    total = sum(float(piece.showers.sum()) for piece in source.pieces(500))\n"
            # Not ru_maxrss: a process inherits that of its parent.
            "status = open('/proc/self/status').read()\n"
            "print(total, int(status.split('VmHWM:')[1].split()[0]) // 1024)\n"
        )
        path = str(tmp_path / "big.root")
        subprocess.run([sys.executable, "-c", make, path], check=True)
        done = subprocess.run(
            [sys.executable, "-c", use, path], check=True, capture_output=True, text=True
        )
        total, megabytes = map(float, done.stdout.split())
        assert total == (np.arange(10_000) % 7).sum()
        assert megabytes < 300


class TestRoundTrip:
    @pytest.mark.parametrize("name", ["toy_grid", "toy_cylinder"])
    def test_our_files_come_back_bit_for_bit(self, request, tmp_path, toy_sample, name):
        before = toy_sample(request.getfixturevalue(name))
        source = stored(tmp_path / "a.h5", before)
        convert([source], tmp_path / "b.root")
        convert([tmp_path / "b.root"], tmp_path / "c.h5")
        after = read_showers(tmp_path / "c.h5")
        same(after, before)
        np.testing.assert_array_equal(after.particles.incident, before.particles.incident)
        np.testing.assert_array_equal(after.cpu_seconds, before.cpu_seconds)
        assert after.geometry == before.geometry

    def test_large_counts_are_written_wider(self, tmp_path, toy_grid, toy_sample):
        sample = toy_sample(toy_grid)
        showers = sample.showers.astype(np.uint32)
        showers[-1, 3] = 70_000
        convert([stored(tmp_path / "a.h5", sample, showers)], tmp_path / "b.root")
        assert read(tmp_path / "b.root")[2][-1, 3] == 70_000

    @settings(
        max_examples=15,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        n=st.integers(1, 12),
        seed=st.integers(0, 99),
        cylinder=st.booleans(),
        pairs=st.integers(0, 2),
        first=st.integers(0, 1),
        energy=st.sampled_from(["eV", "MeV", "GeV", "TeV"]),
        length=st.sampled_from(["um", "mm", "cm", "m"]),
    )
    def test_any_mapping_brings_the_same_back(
        self,
        toy_grid,
        toy_cylinder,
        toy_sample,
        tmp_path_factory,
        n,
        seed,
        cylinder,
        pairs,
        first,
        energy,
        length,
    ):
        folder = tmp_path_factory.mktemp("any")
        sample = toy_sample(toy_cylinder if cylinder else toy_grid, n, seed=seed)
        index = ["", '"id"', '["layer", "angle", "ring"]' if cylinder else '["ix", "iy"]']
        text = f'tree = "events"\n[cells]\nbranch = "hit"\nfirst_index = {first}\n'
        text += f"index = {index[pairs]}\n" if pairs else ""
        text += f'[columns]\npdg = "PDG"\nenergy_gev = {{branch = "E", unit = "{energy}"}}\n'
        text += f'x_cm = {{branch = "vx", unit = "{length}"}}\n'
        mapping = toml(folder, text)
        source = stored(folder / "a.h5", sample)
        convert([source], folder / "b.root", write_mapping=mapping)
        with uproot.open(folder / "b.root") as file:
            factor = {"eV": 1e9, "MeV": 1e3, "GeV": 1, "TeV": 1e-3}[energy]
            np.testing.assert_allclose(
                file["events"]["E"].array(library="np"),
                sample.particles["energy_gev"] * factor,
                rtol=1e-14,
            )
        convert([folder / "b.root"], folder / "c.h5")
        same(read_showers(folder / "c.h5"), sample, rtol=1e-14)


def stored(path, sample, showers=None):
    from caloforge.data import ShowerWriter

    showers = sample.showers if showers is None else showers
    with ShowerWriter(path, sample.geometry, provenance={}, dtype=showers.dtype) as writer:
        writer.append(sample.particles, showers, sample.cpu_seconds)
    return path


def same(after, before, rtol=0.0):
    np.testing.assert_array_equal(after.showers, before.showers)
    for name in before.particles.names:
        np.testing.assert_allclose(after.particles[name], before.particles[name], rtol=rtol)


class TestWriting:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('[cells]\nbranch = ["a", "b"]', "expected one"),
            ('[cells]\nindex = ["l", "a", "r"]', "does not fit the grid"),
            ('[columns]\nx_cm = "y_cm"', "two columns have the same branch"),
            ('[columns]\nx_cm = "cells"', "the cells have a branch of a column"),
            ('[columns]\nx_cm = "a/b"', "expected letters"),
        ],
    )
    def test_mappings_that_cannot_be_written(self, tmp_path, text, message):
        with pytest.raises(ConfigError, match=message):
            convert(["zn-test"], tmp_path / "a.root", write_mapping=toml(tmp_path, text))
        assert [path.name for path in tmp_path.iterdir()] == ["mapping.toml"]

    def test_a_full_disk_leaves_nothing(self, tmp_path):
        code = (
            "import resource, sys\n"
            "from caloforge.formats.conversion import convert\n"
            "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "import uproot\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
            "from caloforge.errors import OutputError\n"
            "try:\n"
            "    convert(['zn-test'], sys.argv[1])\n"
            "except OutputError as error:\n"
            "    print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "a.root")],
            check=True,
            capture_output=True,
            text=True,
        )
        assert "File too large" in done.stdout
        assert list(tmp_path.iterdir()) == []


def test_messages_are_one_line_and_of_ours(tmp_path):
    path = tmp_path / "a.root"
    for data in (b"root", b"root" + bytes(500), b"root" + bytes(range(256)) * 9):
        path.write_bytes(data)
        with pytest.raises(CaloforgeError) as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_particle_numbers_are_not_cut(tmp_path):
    table = {**columns(3), "incident": np.array([0, 0.5, 1]), "cells": images(3)}
    path = written(tmp_path / "a.root", {"showers": table})
    with pytest.raises(DataFormatError, match=r"'incident' has 0.5 in row 1"):
        read(path)
    table["incident"] = np.array([0, 2.0, 1])
    path = written(tmp_path / "b.root", {"showers": table})
    with open_showers([path]) as source:
        assert next(source.pieces(9)).incident.tolist() == [0, 2, 1]


def test_text_that_starts_like_root_is_not_taken_for_it(tmp_path):
    path = tmp_path / "passwd"
    path.write_text("root:x:0:0:root:/root:/bin/bash\n")
    with pytest.raises(CaloforgeError) as caught:
        read(path)
    assert "damaged" not in str(caught.value)
    assert not FORMAT.recognise(path)
    assert FORMAT.recognise(written(tmp_path / "a.root", {"t": columns(2)}))
