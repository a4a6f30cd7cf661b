import numpy as np
import pytest

from caloforge.errors import GeometryError
from caloforge.geometry import (
    Channel,
    CylinderLayer,
    CylinderLayout,
    DetectorGeometry,
    GridLayout,
    detector_names,
    load_geometry,
)

USER_TOML = """
name = "mine"
kind = "grid"
[response]
unit = "MeV"
counts = false
[grid]
cells = [3, 2]
[channels]
halves = [{ name = "left", x = [0, 2] }, { name = "right", x = [2, 3] }]
"""

CYLINDER_TOML = """
name = "rings"
kind = "cylinder"
response = { unit = "MeV", counts = false }
layers = [
  { r_edges_mm = [0, 10] },
  { r_edges_mm = [] },
  { r_edges_mm = [0, 5, 20], n_angles = 4 },
]
"""


def explicit_sums(convention: str, image: np.ndarray) -> list[int]:
    """Sum one picture cell by cell, as section 2.3 of the facts on the detectors says."""
    n_x, n_y = image.shape
    sums = [0] * 5
    for i in range(n_x):
        for j in range(n_y):
            odd = (i + j) % 2
            right, top = int(i >= n_x // 2), int(j >= n_y // 2)
            if convention == "literature":
                place = 4 if odd else 2 * right + top
            elif convention == "warsaw":
                place = 4 if not odd else 2 * (1 - right) + top
            elif not odd:
                place = 4  # the common channel
            elif n_x == 44:
                place = right + 2 * top  # quadrants, x fastest
            else:
                place = 4 * i // n_x  # four slices along x
            sums[place] += int(image[i, j])
    return sums


class TestChannels:
    @pytest.mark.parametrize("convention", ["literature", "warsaw", "detector"])
    @pytest.mark.parametrize("name", ["zn", "zp"])
    def test_sums_are_those_of_explicit_loops(self, name, convention):
        geometry = load_geometry(name)
        rng = np.random.default_rng(0)
        showers = rng.integers(0, 100, (2, geometry.n_cells), dtype=np.uint16)
        channels = geometry.channels(convention)
        expected = [
            explicit_sums(convention, image) for image in geometry.layout.shaped(showers)
        ]
        assert channels.convention == convention
        assert channels.sums(showers).tolist() == expected

    @pytest.mark.parametrize("name", ["zn", "zp"])
    def test_every_cell_is_in_exactly_one_channel(self, name):
        geometry = load_geometry(name)
        assert geometry.convention_names == ("literature", "warsaw", "detector")
        for convention in geometry.convention_names:
            assert (geometry.channels(convention).masks.sum(axis=0) == 1).all()

    def test_default_is_the_literatures(self):
        assert load_geometry("zn").channels().convention == "literature"

    def test_sums_do_not_overflow_the_type_of_the_cells(self):
        showers = np.full((1, 44 * 44), 65535, dtype=np.uint16)
        assert load_geometry("zn").channels().sums(showers)[0, 4] == 65535 * 44 * 22

    def test_detectors_without_channels_have_a_total_or_layers(self, toy_grid, toy_cylinder):
        assert toy_grid.channels().names == ("total",)
        assert toy_grid.channels().sums(np.ones((2, 24))).tolist() == [[24], [24]]
        layers = toy_cylinder.channels()
        assert layers.names == ("layer 0", "layer 1", "layer 3")
        assert layers.sums(np.ones((1, 15))).tolist() == [[1, 6, 8]]


class TestGrid:
    def test_cells_lie_where_they_are_stored(self, toy_grid):
        layout = toy_grid.layout
        assert layout.half_width_cm == (1.5, 0.5)
        centres = layout.centres_cm().reshape(6, 4, 2)
        for i in range(6):
            for j in range(4):
                expected = [-1.5 + 0.5 * (i + 0.5), -0.5 + 0.25 * (j + 0.5)]
                np.testing.assert_allclose(centres[i, j], expected, atol=1e-15)
        flat = np.arange(24)[None]
        assert layout.shaped(flat)[0, 2, 3] == 2 * 4 + 3

    def test_a_position_is_in_the_cell_of_the_production(self):
        # Of the data: cell = floor((position + half width) / pitch).
        layout = load_geometry("zn").layout
        for x, y in layout.centres_cm()[::97]:
            i, j = (int((p + 3.52) // 0.16) for p in (x, y))
            np.testing.assert_allclose(layout.centres_cm()[i * 44 + j], [x, y])


class TestCylinder:
    def test_layers_are_cut_out_with_the_radius_fastest(self, toy_cylinder):
        layout = toy_cylinder.layout
        assert [layer.shape for layer in layout.layers] == [(1, 1), (3, 2), (1, 0), (2, 4)]
        parts = layout.shaped(np.arange(30).reshape(2, 15))
        assert [part.shape for part in parts] == [(2, 1, 1), (2, 3, 2), (2, 1, 0), (2, 2, 4)]
        cell = 0
        for layer, part in zip(layout.layers, parts, strict=True):
            for angle in range(layer.shape[0]):
                for ring in range(layer.shape[1]):
                    assert part[0, angle, ring] == cell
                    cell += 1
        assert cell == layout.n_cells == 15
        assert layout.layer_of_cell().tolist() == [0] + [1] * 6 + [3] * 8

    def test_centres(self, toy_cylinder):
        centres = toy_cylinder.layout.centres_cm()
        np.testing.assert_allclose(centres[0], [0, 0])  # a full ring lies on the axis
        # Layer 1: sectors of 120 degrees with centres at 60, 180 and 300; rings at 5 and 20 mm.
        for angle, degrees in enumerate((60, 180, 300)):
            for ring, radius_cm in enumerate((0.5, 2.0)):
                direction = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
                np.testing.assert_allclose(
                    centres[1 + 2 * angle + ring], radius_cm * direction, atol=1e-12
                )


class TestFiles:
    @pytest.mark.parametrize("detector", ["zn", "zp", "toy_grid", "toy_cylinder"])
    def test_description_comes_back(self, request, detector):
        geometry = (
            request.getfixturevalue(detector) if "_" in detector else load_geometry(detector)
        )
        again = DetectorGeometry.from_json(geometry.to_json(), source="test")
        assert again == geometry
        assert again.same_cells(geometry)
        assert again.as_dict() == geometry.as_dict()

    def test_names_of_the_detectors(self):
        assert detector_names() == (
            "calochallenge-1-photons",
            "calochallenge-1-pions",
            "cylinder",
            "cylinder-fine",
            "faces-64",
            "mnist",
            "zn",
            "zp",
        )
        zn, zp = load_geometry("zn"), load_geometry("zp")
        assert (zn.layout.cells, zp.layout.cells) == ((44, 44), (56, 30))
        assert zn.unit == "photons"
        assert zn.counts
        assert not zn.same_cells(zp)

    def test_users_own_files(self, tmp_path):
        (tmp_path / "mine.toml").write_text(USER_TOML)
        geometry = load_geometry(tmp_path / "mine.toml")
        assert geometry.title == "mine"
        assert geometry.layout == GridLayout((3, 2))
        assert geometry.channels().sums(np.arange(6)[None]).tolist() == [[6, 9]]
        (tmp_path / "rings.toml").write_text(CYLINDER_TOML)
        rings = load_geometry(str(tmp_path / "rings.toml"))
        assert rings.kind == "cylinder"
        assert [layer.n_cells for layer in rings.layout.layers] == [1, 0, 8]


class TestErrors:
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (
                lambda: GridLayout((0, 4)),
                r"\[grid\] cells: found \(0, 4\), expected two numbers",
            ),
            (lambda: GridLayout((1, 2, 3)), r"\[grid\] cells: found \(1, 2, 3\)"),
            (lambda: GridLayout((2, 2), (1, 0)), r"\[grid\] pitch_cm: found \(1, 0\)"),
            (
                lambda: GridLayout((2, 2), symmetries=("turn",)),
                "found 'turn', expected some of",
            ),
            (lambda: GridLayout((2, 3), symmetries=("transpose",)), "needs a square grid"),
            (
                lambda: CylinderLayer((0, 5, 5)),
                r"r_edges_mm: found \(0, 5, 5\), expected a rise",
            ),
            (lambda: CylinderLayer((0, 5), 0), "n_angles: found 0, expected 1 or more"),
            (lambda: CylinderLayout((CylinderLayer(()),)), "found no cell"),
            (lambda: CylinderLayer((-4.0, 1.0)), "expected 0 or more"),
            (lambda: GridLayout((2, 2), (0.1, float("inf"))), "expected two lengths above 0"),
            (lambda: Channel("c", "prime"), "channel 'c': found parity 'prime', expected"),
            (
                lambda: Channel("c", x=(5, 6)).mask(GridLayout((2, 2))),
                "'c': found no cell in it",
            ),
            (
                lambda: load_geometry("znn"),
                "found 'znn', expected one of .*zn, zp .* did you mean",
            ),
            (lambda: load_geometry("atlas"), "found 'atlas', .*; give the path of a TOML file"),
            (
                lambda: load_geometry("zn").channels("detecter"),
                "'zn': found channel convention",
            ),
            (
                lambda: DetectorGeometry.from_json("{", source="file"),
                "file: the geometry is not",
            ),
        ],
    )
    def test_bad_descriptions_are_refused(self, make, message):
        with pytest.raises(GeometryError, match=message) as caught:
            make()
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("[grid]", "[grit]", "unknown key 'grit'; did you mean 'grid'"),
            (
                'name = "mine"',
                'xyz = 1\nname = "mine"',
                "unknown key 'xyz'; known: name, title",
            ),
            ('kind = "grid"\n', "", "key 'kind' is missing"),
            ('unit = "MeV"\n', "", "key 'unit' is missing"),
            ('kind = "grid"', 'kind = "ball"', "found kind 'ball', expected 'grid' or 'cyl"),
            ("[3, 2]", "3", "a value has the wrong type"),
            ("[3, 2]", "[3, 0]", r"cells: found \(3, 0\), expected two numbers above 0"),
            ("x = [2, 3]", "x = [3, 4]", "channel 'right': found no cell in it"),
            ("[3, 2]", "[3, 2", "not valid TOML"),
        ],
    )
    def test_bad_files_are_refused_by_name(self, tmp_path, old, new, message):
        assert old in USER_TOML
        (tmp_path / "mine.toml").write_text(USER_TOML.replace(old, new))
        with pytest.raises(GeometryError, match=message) as caught:
            load_geometry(tmp_path / "mine.toml")
        assert str(caught.value).startswith(f"{tmp_path / 'mine.toml'}: ")
        assert "\n" not in str(caught.value)

    def test_showers_of_another_shape_are_refused(self, toy_grid):
        toy_grid.check(np.ones((5, 24)), source="file")
        with pytest.raises(
            GeometryError, match=r"file: showers have shape \(5, 25\).*name the"
        ):
            toy_grid.check(np.ones((5, 25)), source="file")
        with pytest.raises(GeometryError, match=r"flattened: reshape to \(-1, 24\)"):
            toy_grid.check(np.ones((5, 6, 4)), source="file")
