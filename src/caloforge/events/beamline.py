"""What lies between collision and calorimeter: the front face, and a dipole before it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import GeometryError, did_you_mean
from caloforge.geometry import CylinderLayout, load_geometry, read_description

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class FrontFace:
    """The plane figure through which particles enter.

    Attributes:
        z_cm: Its place along the beam.
        beam: Sign of the momentum along z of what enters, -1 or +1.
        half_width_cm: Half width along x and y; both are the radius if it is round.
        round: Whether it is a disc; else a rectangle.
        centre_cm: Its middle in the laboratory, where (0, 0) is the line of the collisions.
    """

    z_cm: float
    beam: int
    half_width_cm: tuple[float, float]
    round: bool = False
    centre_cm: tuple[float, float] = (0.0, 0.0)

    def contains(self, x_cm: ArrayLike, y_cm: ArrayLike) -> NDArray[np.bool_]:
        """Whether points ``(n,)`` and ``(n,)``, from its middle, lie on the face, ``(n,)``."""
        x, y = np.asarray(x_cm, dtype=np.float64), np.asarray(y_cm, dtype=np.float64)
        half_x, half_y = self.half_width_cm
        if self.round:
            return np.hypot(x, y) <= half_x
        return (np.abs(x) <= half_x) & (np.abs(y) <= half_y)


@dataclass(frozen=True)
class Dipole:
    """A thin magnet across the beam.

    Attributes:
        z_cm: Its middle along the beam.
        field_tm: Integral of the vertical field component B_y over z, in T m.
    """

    z_cm: float
    field_tm: float


@dataclass(frozen=True)
class Beamline:
    """All that the events need to know of a detector.

    Attributes:
        detector: Its name.
        face: Where particles enter.
        dipole: Magnet between collision and face, None if there is none.
        gun: Gun that is used unless another is asked for.
    """

    detector: str
    face: FrontFace
    dipole: Dipole | None
    gun: str


def read_beamline(detector: str | Path) -> Beamline:
    """Read face, dipole and default gun from the TOML file of a detector.

    Of the table ``[construction]`` the keys ``beam``, ``centre_cm``, ``radius_cm``, ``dipole``
    and ``gun`` count here; `beam_of` has the default of ``beam``.

    Arguments:
        detector: Name of a detector that comes along, or path of a TOML file.

    Raises:
        GeometryError: If there is no such detector, or one of those keys cannot be used.
    """
    table, source = read_description(detector)
    geometry = load_geometry(detector)
    where = f"{source} [construction]"
    construction = _construction(table, source=source)
    z_cm = geometry.front_face_z_cm or 0.0
    beam = beam_of(table, source=source)
    is_round = isinstance(geometry.layout, CylinderLayout)
    if isinstance(geometry.layout, CylinderLayout):
        edges = [layer.r_edges_mm[-1] for layer in geometry.layout.layers if layer.n_cells]
        # The absorber may be wider than the cells that are read out.
        radius = _number(construction.get("radius_cm", max(edges) / 10), f"{where} radius_cm")
        half_width = (radius, radius)
    else:
        half_width = geometry.layout.half_width_cm
    gun = construction.get("gun", geometry.name)
    if not isinstance(gun, str):
        msg = f"{where} gun: found {gun!r}, expected the name or file of a gun"
        raise GeometryError(msg)
    face = FrontFace(
        z_cm=z_cm,
        beam=beam,
        half_width_cm=half_width,
        round=is_round,
        centre_cm=_pair(construction.get("centre_cm", [0.0, 0.0]), f"{where} centre_cm"),
    )
    dipole = _dipole(construction.get("dipole"), where=f"{where} dipole")
    if dipole is not None and not 0 < dipole.z_cm * beam < z_cm * beam:
        msg = (
            f"{where} dipole: found z_cm = {dipole.z_cm:g}, expected a place between the "
            f"collision at 0 and the front face at {z_cm:g} cm, with beam = {beam}; correct "
            "the sign, or leave it out"
        )
        raise GeometryError(msg)
    return Beamline(geometry.name, face, dipole, gun)


def beam_of(table: Mapping[str, Any], *, source: str = "detector") -> int:
    """Return the sign of the momentum along z of what enters a detector, -1 or +1.

    It is the key ``beam`` of ``[construction]``; without it, the side on which the front face
    lies (+1 at z = 0 and if its place is not known).

    Arguments:
        table: Content of the detector's TOML file, ``[construction]`` included.
        source: Its name, for the message.

    Raises:
        GeometryError: If ``beam`` is something else, or ``[construction]`` is no table.

    Example:
        >>> beam_of({"front_face_z_cm": -11261.2}), beam_of({"construction": {"beam": 1}})
        (-1, 1)
    """
    construction = _construction(table, source=source)
    z_cm = table.get("front_face_z_cm") or 0.0
    beam = construction.get("beam", -1 if z_cm < 0 else 1)
    if beam not in (-1, 1) or isinstance(beam, bool):
        msg = (
            f"{source} [construction] beam: found {beam!r}, expected -1 or 1, the sign of "
            "pz of what enters; correct it"
        )
        raise GeometryError(msg)
    return int(beam)


def _construction(table: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    construction = table.get("construction", {})
    if not isinstance(construction, dict):
        msg = (
            f"{source} [construction]: found {construction!r}, expected a table; write "
            "[construction]"
        )
        raise GeometryError(msg)
    return construction


def _dipole(table: Mapping[str, Any] | None, *, where: str) -> Dipole | None:
    if table is None:
        return None
    keys = ("z_cm", "field_tm")
    if not isinstance(table, dict) or any(key not in table for key in keys):
        msg = f"{where}: found {table!r}, expected {{ z_cm = ..., field_tm = ... }}"
        raise GeometryError(msg)
    for key in table:
        if key not in keys:
            msg = f"{where}: unknown key '{key}'; {did_you_mean(key, keys)}"
            raise GeometryError(msg)
    return Dipole(*(_number(table[key], f"{where} {key}") for key in keys))


def _pair(value: Any, where: str) -> tuple[float, float]:  # noqa: ANN401 - from a file
    if not isinstance(value, list) or len(value) != 2:
        msg = f"{where}: found {value!r}, expected [x, y]"
        raise GeometryError(msg)
    return _number(value[0], where), _number(value[1], where)


def _number(value: Any, where: str) -> float:  # noqa: ANN401 - from a file
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        msg = f"{where}: found {value!r}, expected a number"
        raise GeometryError(msg)
    return float(value)
