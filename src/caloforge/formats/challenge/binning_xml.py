"""Binning XML of the CaloChallenge: the layers, rings and sectors of a cylinder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

from caloforge.data.particles import kind_name
from caloforge.errors import GeometryError
from caloforge.geometry import (
    CylinderLayer,
    CylinderLayout,
    DetectorGeometry,
    detector_names,
    load_geometry,
)
from caloforge.output import check_new, new_file

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST = 16 * 1024**2
# Of the published ones, 40,500 is the most; an int more than is sensible would fill the memory.
_MOST_CELLS = 10_000_000
# Names by which the challenge's own programs look for a particle.
_NAMES = {22: "photon", 11: "electron", 211: "pion"}
_EXAMPLE = (
    '<Bins><Bin pid="11" name="electron"><Layer id="0" r_edges="0,5" n_bin_alpha="1"/>...'
)


class Binning(NamedTuple):
    """What a binning XML says.

    Attributes:
        geometry: The detector.
        pdg: Particle that the mesh is made for; ``None`` if the file does not say.
    """

    geometry: DetectorGeometry
    pdg: int | None


def read_binning(path: str | Path, *, pdg: int | None = None) -> Binning:
    """Read a binning XML.

    A layer with ``r_edges="0"`` is there, but has no cells. Edges are in mm, cells in MeV. A
    mesh that comes with caloforge is given back under its name there.

    Arguments:
        path: The file.
        pdg: Chooses among the meshes of several particles.

    Raises:
        GeometryError: If the file is missing, no such XML, has meshes of several particles of
            which none is chosen, or a value is unusable.
    """
    path = Path(path)
    root = _root(path)
    meshes = root.findall("Bin") if root.tag == "Bins" else []
    if not meshes:
        msg = f"{path}: found <{root.tag}> without <Bin>, expected {_EXAMPLE}"
        raise GeometryError(msg)
    chosen = _chosen(path, meshes, pdg)
    layers: list[CylinderLayer] = []
    for k, layer in enumerate(chosen.findall("Layer")):
        where = f"{path}: layer {k}"
        if layer.get("id", str(k)).strip() != str(k):
            msg = f"{where}: has id='{layer.get('id')}', expected {k}; number all layers from 0"
            raise GeometryError(msg)
        layers.append(_layer(layer.attrib, where))
        n_cells = sum(made.n_cells for made in layers)
        if n_cells > _MOST_CELLS:
            msg = (
                f"{where}: brings the cells to {n_cells:,}, expected at most {_MOST_CELLS:,}; "
                "correct n_bin_alpha or r_edges"
            )
            raise GeometryError(msg)
    try:
        layout = CylinderLayout(tuple(layers))
    except GeometryError as error:
        msg = f"{path}: found no layer with cells, expected {_EXAMPLE}"
        raise GeometryError(msg) from error
    found = chosen.get("pid")
    return Binning(_named(path, layout), None if found is None else _integer(found, path))


def named_geometry(name_or_path: str, *, pdg: int | None = None) -> DetectorGeometry:
    """Load a detector by name, or from a TOML file or a binning XML.

    Arguments:
        name_or_path: As users give it.
        pdg: Chooses among the meshes of a binning XML.

    Raises:
        GeometryError: If there is none, or the file is neither.
    """
    if name_or_path.lower().endswith(".xml"):
        return read_binning(name_or_path, pdg=pdg).geometry
    return load_geometry(name_or_path)


def check_binning(path: str | Path, geometry: DetectorGeometry, *, force: bool) -> None:
    """Refuse what `write_binning` could not write, before hours of work.

    Raises:
        GeometryError: If the geometry is no cylinder.
        OutputError: If the file exists and ``force`` is not given, or cannot be written.
    """
    if not isinstance(geometry.layout, CylinderLayout):
        msg = (
            f"{path}: geometry '{geometry.name}' is a {geometry.kind}, expected a cylinder; "
            "only those have a binning"
        )
        raise GeometryError(msg)
    check_new(path, force=force)


def write_binning(
    path: str | Path, geometry: DetectorGeometry, *, pdg: int, force: bool = False
) -> None:
    """Write the binning XML of a cylinder, for the challenge's own programs.

    Arguments:
        path: File to be written.
        geometry: The detector.
        pdg: Particle that it is for.
        force: Whether an existing file may be replaced.

    Raises:
        GeometryError: If the geometry is no cylinder.
        OutputError: If the file exists and ``force`` is not given, or cannot be written.
    """
    check_binning(path, geometry, force=force)
    layout = geometry.layout
    assert isinstance(layout, CylinderLayout)
    name = _NAMES.get(abs(pdg), kind_name(pdg))
    root = ET.Element("Bins")
    mesh = ET.SubElement(root, "Bin", pid=str(pdg), name=name)
    for k, layer in enumerate(layout.layers):
        edges = layer.r_edges_mm if layer.n_cells else (0.0,)
        text = ",".join(repr(edge).removesuffix(".0") for edge in edges)
        sectors = str(layer.n_angles)
        ET.SubElement(mesh, "Layer", id=str(k), r_edges=text, n_bin_alpha=sectors)
    ET.indent(root)
    with new_file(path, force=force) as temporary:
        temporary.write_bytes(ET.tostring(root) + b"\n")


def _root(path: Path) -> ET.Element:
    """Parse the file."""
    if not path.is_file():
        msg = f"{path}: found no such file, expected a binning XML; correct the path"
        raise GeometryError(msg)
    if path.stat().st_size > _LARGEST:
        size = path.stat().st_size
        msg = f"{path}: has {size} bytes, expected a binning XML of a few kB; name that"
        raise GeometryError(msg)
    try:
        return ET.fromstring(path.read_bytes())
    except (ET.ParseError, LookupError, ValueError) as error:
        msg = f"{path}: not valid XML ({error}), expected {_EXAMPLE}"
        raise GeometryError(msg) from error


def _chosen(path: Path, meshes: list[ET.Element], pdg: int | None) -> ET.Element:
    """Choose the mesh of a particle; the only one is right for every particle."""
    if len(meshes) == 1:
        return meshes[0]
    names = ", ".join(f"{mesh.get('name')} (pid {mesh.get('pid')})" for mesh in meshes)
    if pdg is not None:
        same = [mesh for mesh in meshes if mesh.get("pid", "").strip() == str(pdg)]
        if len(same) == 1:
            return same[0]
    found = "" if pdg is None else f", {pdg} not once among them"
    msg = f"{path}: has meshes of {names}{found}; choose one with --pdg"
    raise GeometryError(msg)


def _layer(attributes: Mapping[str, str], where: str) -> CylinderLayer:
    """Read one layer."""
    text = attributes.get("r_edges")
    if text is None:
        msg = f"{where}: found no r_edges, expected {_EXAMPLE}"
        raise GeometryError(msg)
    try:
        edges = tuple(float(edge) for edge in text.split(","))
        sectors = int(attributes.get("n_bin_alpha", "1"))
    except ValueError as error:
        msg = f"{where}: a value is no number ({error}); correct it"
        raise GeometryError(msg) from error
    try:
        return CylinderLayer(edges, sectors) if len(edges) > 1 else CylinderLayer(())
    except GeometryError as error:
        msg = f"{where}: {error}; correct it"
        raise GeometryError(msg) from error


def _named(path: Path, layout: CylinderLayout) -> DetectorGeometry:
    """Find the detector that has these cells, or give them the name of the file."""
    for name in detector_names():
        geometry = load_geometry(name)
        if geometry.layout == layout and geometry.unit == "MeV":
            return geometry
    title = f"{len(layout.layers)} layers of {path.name}"
    return DetectorGeometry(path.stem, title, layout, unit="MeV", counts=False)


def _integer(text: str, path: Path) -> int:
    """Read the particle's code."""
    try:
        return int(text)
    except ValueError as error:
        msg = f"{path}: pid is '{text}', expected a particle code, e.g. 11; correct it"
        raise GeometryError(msg) from error
