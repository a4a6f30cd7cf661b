"""A calorimeter as the package sees it, from one TOML file a detector."""

from __future__ import annotations

import difflib
import json
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import GeometryError, did_you_mean
from caloforge.geometry.channels import Channel, ChannelSet
from caloforge.geometry.cylinder import CylinderLayout
from caloforge.geometry.grid import GridLayout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_KEYS = ("name", "title", "kind", "response", "front_face_z_cm", "grid", "layers", "channels")
# A table of the same file that is not about cells: how `caloforge simulate` builds it.
_OTHER = "construction"
_EXAMPLE = "caloforge/geometry/detectors/zn.toml"


@dataclass(frozen=True)
class DetectorGeometry:
    """Cells, their unit, and the channels that are read out.

    Showers are stored flat, ``(n, cell)``: only the geometry gives them a shape.

    Attributes:
        name: Short name, e.g. ``"zn"``.
        title: Name for people.
        layout: Where the cells lie.
        unit: Unit of a cell, e.g. ``"photons"`` or ``"MeV"``.
        counts: Whether cells are integer counts.
        conventions: Channels under each named convention; a cylinder has none of its own, its
            channels are its layers. Those of a grid without any are its planes.
        front_face_z_cm: Position of the front face along the beam, in cm, if known.
        maximum: Largest value that a cell can have, in the detector's unit: images are bounded,
            calorimeters are not (``None``).
    """

    name: str
    title: str
    layout: GridLayout | CylinderLayout
    unit: str
    counts: bool
    conventions: Mapping[str, tuple[Channel, ...]] = field(default_factory=dict)
    front_face_z_cm: float | None = None
    maximum: float | None = None

    @property
    def kind(self) -> str:
        """``"grid"`` or ``"cylinder"``."""
        return self.layout.kind

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.layout.n_cells

    @cached_property
    def convention_names(self) -> tuple[str, ...]:
        """Names of the channel conventions, the default first."""
        if self.conventions:
            return tuple(self.conventions)
        if isinstance(self.layout, CylinderLayout):
            return ("layers",)
        return ("total",) if self.layout.planes == 1 else ("planes",)

    def channels(self, convention: str | None = None) -> ChannelSet:
        """Return the channels under a convention, by default the geometry's first.

        Raises:
            GeometryError: If the geometry has no convention of that name.
        """
        name = convention or self.convention_names[0]
        if name not in self.convention_names:
            msg = (
                f"geometry '{self.name}': found channel convention '{name}', expected one of "
                f"{', '.join(self.convention_names)}"
            )
            raise GeometryError(msg)
        if isinstance(self.layout, CylinderLayout):
            layers = [k for k, layer in enumerate(self.layout.layers) if layer.n_cells]
            of_cell = self.layout.layer_of_cell()
            masks = np.stack([of_cell == k for k in layers])
            return ChannelSet(name, tuple(f"layer {k}" for k in layers), masks)
        if not self.conventions:
            of_plane = np.arange(self.n_cells) // (self.n_cells // self.layout.planes)
            masks = of_plane == np.arange(self.layout.planes)[:, None]
            names = ("total",) if self.layout.planes == 1 else self.layout.plane_names
            return ChannelSet(name, names, masks)
        chosen = self.conventions[name]
        masks = np.stack([channel.mask(self.layout) for channel in chosen])
        return ChannelSet(name, tuple(channel.name for channel in chosen), masks)

    def check(self, showers: NDArray[Any], *, source: str) -> None:
        """Refuse showers that do not have this geometry's cells.

        Arguments:
            showers: Cell responses, expected ``(n, cell)``.
            source: Where the array came from, for the message.

        Raises:
            GeometryError: If the shape is another.
        """
        if showers.ndim != 2 or showers.shape[1] != self.n_cells:
            hint = (
                f"they match when flattened: reshape to (-1, {self.n_cells})"
                if showers.ndim > 2 and np.prod(showers.shape[1:]) == self.n_cells
                else "name the geometry that made them"
            )
            msg = (
                f"{source}: showers have shape {showers.shape}, expected (n, {self.n_cells}) "
                f"for geometry '{self.name}'; {hint}"
            )
            raise GeometryError(msg)

    def same_cells(self, other: DetectorGeometry) -> bool:
        """Whether showers of the two geometries can be compared cell by cell."""
        return self.layout == other.layout and self.unit == other.unit

    def as_dict(self) -> dict[str, Any]:
        """Return the content of the TOML file: plain strings, numbers, lists and tables."""
        table: dict[str, Any] = {"name": self.name, "title": self.title, "kind": self.kind}
        if self.front_face_z_cm is not None:
            table["front_face_z_cm"] = self.front_face_z_cm
        table["response"] = {"unit": self.unit, "counts": self.counts}
        if self.maximum is not None:
            table["response"]["maximum"] = self.maximum
        table["grid" if self.kind == "grid" else "layers"] = self.layout.as_dict()
        if self.conventions:
            table["channels"] = {
                name: [channel.as_dict() for channel in channels]
                for name, channels in self.conventions.items()
            }
        return table

    @classmethod
    def from_dict(cls, table: Mapping[str, Any], *, source: str) -> DetectorGeometry:
        """Build a geometry from the content of its TOML file.

        Arguments:
            table: Parsed TOML (or the JSON of `as_dict`).
            source: Where it came from, for messages.

        Raises:
            GeometryError: If a key is unknown, missing, or has an unusable value.
        """
        for key in table:
            if key not in (*_KEYS, _OTHER):
                hint = did_you_mean(key, (*_KEYS, _OTHER))
                msg = f"{source}: unknown key '{key}'; {hint}"
                raise GeometryError(msg)
        try:
            layout: GridLayout | CylinderLayout
            if table["kind"] == "grid":
                layout = GridLayout.from_dict(table["grid"])
            elif table["kind"] == "cylinder":
                layout = CylinderLayout.from_dict(table["layers"])
            else:
                msg = f"found kind '{table['kind']}', expected 'grid' or 'cylinder'"
                raise GeometryError(msg)  # noqa: TRY301 - one place adds the source
            geometry = cls(
                name=str(table["name"]),
                title=str(table.get("title", table["name"])),
                layout=layout,
                unit=str(table["response"]["unit"]),
                counts=bool(table["response"]["counts"]),
                conventions={
                    name: tuple(Channel.from_dict(channel) for channel in channels)
                    for name, channels in table.get("channels", {}).items()
                },
                front_face_z_cm=table.get("front_face_z_cm"),
                maximum=_maximum(table["response"]),
            )
            for name in geometry.convention_names:
                geometry.channels(name)
        except KeyError as error:
            msg = f"{source}: key {error} is missing; see caloforge/geometry/detectors/zn.toml"
            raise GeometryError(msg) from error
        except GeometryError as error:
            msg = f"{source}: {error}"
            raise GeometryError(msg) from error
        except (TypeError, ValueError, AttributeError) as error:
            msg = f"{source}: a value has the wrong type ({error}); compare with {_EXAMPLE}"
            raise GeometryError(msg) from error
        return geometry

    def to_json(self) -> str:
        """Return the geometry as one line of JSON, for file attributes."""
        return json.dumps(self.as_dict())

    @classmethod
    def from_json(cls, text: str, *, source: str) -> DetectorGeometry:
        """Read what `to_json` wrote."""
        try:
            table = json.loads(text)
        except json.JSONDecodeError as error:
            msg = f"{source}: the geometry is not valid JSON ({error})"
            raise GeometryError(msg) from error
        return cls.from_dict(table, source=source)


def _maximum(response: Mapping[str, Any]) -> float | None:
    """Largest value of a cell, if there is one."""
    if "maximum" not in response:
        return None
    maximum = float(response["maximum"])
    if not 0 < maximum < float("inf"):
        msg = f"[response] maximum: found {maximum}, expected a number above 0; or leave it out"
        raise GeometryError(msg)
    return maximum


def detector_names() -> tuple[str, ...]:
    """Return the names of the detectors that come with caloforge."""
    folder = resources.files("caloforge.geometry") / "detectors"
    return tuple(
        sorted(
            p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")
        )
    )


def load_geometry(name_or_path: str | Path) -> DetectorGeometry:
    """Load a detector by name (``"zn"``) or from the path of a TOML file.

    Raises:
        GeometryError: If there is none, or the file is not a detector description.
    """
    table, source = read_description(name_or_path)
    return DetectorGeometry.from_dict(table, source=source)


def read_description(name_or_path: str | Path) -> tuple[dict[str, Any], str]:
    """Read the TOML file of a detector, the table ``[construction]`` included.

    Arguments:
        name_or_path: Name of a detector that comes along, or the path of a file.

    Returns:
        The content as it stands, and the name of the file for messages.

    Raises:
        GeometryError: If there is no such file, or it is not TOML.
    """
    path = Path(name_or_path)
    if str(name_or_path) in detector_names():
        resource = resources.files("caloforge.geometry") / "detectors" / f"{name_or_path}.toml"
        text, source = resource.read_text(encoding="utf-8"), f"{name_or_path}.toml"
    elif path.is_file():
        try:
            text, source = path.read_text(encoding="utf-8"), str(path)
        except UnicodeDecodeError as error:
            msg = f"{path}: not a text file, expected a detector description in TOML"
            raise GeometryError(msg) from error
    else:
        close = difflib.get_close_matches(str(name_or_path), detector_names(), n=1)
        hint = f"did you mean '{close[0]}'?" if close else "give the path of a TOML file"
        msg = (
            f"geometry: found '{name_or_path}', expected one of {', '.join(detector_names())} "
            f"or an existing file; {hint}"
        )
        raise GeometryError(msg)
    try:
        return tomllib.loads(text), source
    except tomllib.TOMLDecodeError as error:
        msg = f"{source}: not valid TOML ({error})"
        raise GeometryError(msg) from error
