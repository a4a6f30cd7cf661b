import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.errors import GeometryError, OutputError
from caloforge.formats.challenge.binning_xml import named_geometry, read_binning, write_binning
from caloforge.geometry import CylinderLayer, CylinderLayout, DetectorGeometry, load_geometry

# Layout of the published files: spaces, an empty layer, one without sectors.
PUBLISHED = """<Bins>
   <Bin pid="22" etaMin="0" etaMax="130" name="photon">
      <Layer id="0" r_edges="0,5,10,30" n_bin_alpha="1" />
      <Layer id="1"  r_edges="0, 2, 4.5" n_bin_alpha="10"/>
      <Layer id="2" r_edges="0" n_bin_alpha="1" />
   </Bin>
</Bins>
"""


def challenge_reads(path, name):
    """Bin edges, radii and sectors of the layers by the rules of the challenge's XMLHandler."""
    layers = []
    for particle in ET.parse(path).getroot():
        if particle.attrib["name"] == name:
            for layer in particle:
                radii = [float(s) for s in layer.attrib.get("r_edges").split(",")]
                layers.append((radii, int(layer.attrib.get("n_bin_alpha"))))
    edges = np.cumsum([0, *((len(radii) - 1) * n for radii, n in layers)])
    return edges.tolist(), layers


def test_published_layout(tmp_path):
    path = tmp_path / "mine.xml"
    path.write_text(PUBLISHED)
    geometry, pdg = read_binning(path)
    assert (geometry.name, geometry.unit, geometry.counts, pdg) == ("mine", "MeV", False, 22)
    assert geometry.layout.layers == (
        CylinderLayer((0.0, 5.0, 10.0, 30.0)),
        CylinderLayer((0.0, 2.0, 4.5), 10),
        CylinderLayer(()),
    )
    assert [s.stop for s in geometry.layout.slices] == [3, 23, 23]


@pytest.mark.parametrize(
    ("name", "pdg", "particle", "cells"),
    [
        ("calochallenge-1-photons", 22, "photon", [8, 160, 190, 5, 5]),
        ("calochallenge-1-pions", 211, "pion", [8, 100, 100, 5, 150, 160, 10]),
        ("cylinder", 11, "electron", [144] * 45),
        ("cylinder-fine", -11, "electron", [900] * 45),
    ],
)
def test_challenge_reads_what_was_written(tmp_path, name, pdg, particle, cells):
    geometry = load_geometry(name)
    path = tmp_path / "binning.xml"
    write_binning(path, geometry, pdg=pdg)
    edges, layers = challenge_reads(path, particle)
    assert edges == [0, *(part.stop for part in geometry.layout.slices)]
    assert [n for n in np.diff(edges).tolist() if n] == cells
    # A layer without cells has to have one edge: the challenge's code parses it as a number.
    assert all(len(radii) >= 1 for radii, _ in layers)
    # And it is recognised as the detector that comes along.
    assert read_binning(path) == (geometry, pdg)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.builds(
            CylinderLayer,
            st.lists(st.floats(0, 1e6), max_size=5, unique=True)
            .map(sorted)
            .map(lambda edges: tuple(edges) if len(edges) > 1 else ()),
            st.just(1),
        )
        | st.builds(CylinderLayer, st.just((0.0, 1 / 3, 1e5 / 7)), st.integers(1, 400)),
        min_size=1,
        max_size=6,
    ).filter(lambda layers: any(layer.n_cells for layer in layers))
)
def test_round_trip(tmp_path_factory, layers):
    path = tmp_path_factory.mktemp("xml") / "a.xml"
    layout = CylinderLayout(tuple(layers))
    write_binning(path, DetectorGeometry("a", "a", layout, "MeV", counts=False), pdg=321)
    geometry, pdg = read_binning(path)
    assert geometry.layout == layout
    assert pdg == 321


def test_one_of_several_particles(tmp_path):
    path = tmp_path / "two.xml"
    pion = PUBLISHED.replace("22", "211").replace("photon", "pion").replace("4.5", "6")
    path.write_text(PUBLISHED.replace("</Bins>", pion.partition("<Bins>")[2]))
    assert read_binning(path, pdg=211).geometry.layout.layers[1].r_edges_mm[-1] == 6
    assert named_geometry(str(path), pdg=22).layout.layers[1].r_edges_mm[-1] == 4.5
    for pdg in (None, 11):
        with pytest.raises(GeometryError, match=r"photon .pid 22., pion .pid 211.*--pdg"):
            read_binning(path, pdg=pdg)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<Bins>", "<Bins", "not valid XML"),
        ("Bins>", "Boxes>", "found <Boxes> without <Bin>"),
        ("0,5,10,30", "0,5,x,30", "layer 0: a value is no number"),
        ("0,5,10,30", "0,10,5,30", "layer 0: .* expected a rise"),
        ("0,5,10,30", "-1,5,10,30", "layer 0: .* expected 0 or more"),
        ('n_bin_alpha="10"', 'n_bin_alpha="0"', "layer 1: .* expected 1 or more"),
        ('r_edges="0,5,10,30"', "", "layer 0: found no r_edges"),
        ('id="1"', 'id="3"', "layer 1: has id='3', expected 1; number all layers"),
        ('pid="22"', 'pid="gamma"', "pid is 'gamma', expected a particle code"),
    ],
)
def test_bad_values(tmp_path, old, new, message):
    path = tmp_path / "bad.xml"
    path.write_text(PUBLISHED.replace(old, new))
    with pytest.raises(GeometryError, match=message) as caught:
        read_binning(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_no_cell_no_file_no_cylinder(tmp_path):
    path = tmp_path / "empty.xml"
    with pytest.raises(GeometryError, match="found no such file"):
        read_binning(path)
    path.write_text('<Bins><Bin><Layer id="0" r_edges="0" n_bin_alpha="1"/></Bin></Bins>')
    with pytest.raises(GeometryError, match="found no layer with cells"):
        read_binning(path)
    with pytest.raises(GeometryError, match="'zn' is a grid, expected a cylinder"):
        write_binning(tmp_path / "x.xml", load_geometry("zn"), pdg=22)
    with pytest.raises(OutputError, match="exists already"):
        write_binning(path, load_geometry("cylinder"), pdg=11)


@pytest.mark.parametrize(
    "layers",
    [
        '<Layer id="0" r_edges="0,5" n_bin_alpha="20000000000"/>',
        "".join(f'<Layer id="{k}" r_edges="0,5,9" n_bin_alpha="1000000"/>' for k in range(6)),
    ],
)
def test_a_mesh_that_would_fill_the_memory_is_refused(tmp_path, layers):
    path = tmp_path / "huge.xml"
    path.write_text(f'<Bins><Bin pid="22" name="photon">{layers}</Bin></Bins>')
    with pytest.raises(GeometryError, match="expected at most 10,000,000; correct n_bin_alpha"):
        read_binning(path)
