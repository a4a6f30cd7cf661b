"""Where a particle's straight line meets the front face of the detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# Particles that start closer to the front face than this, in cm, are on it.
_ON_FACE_CM = 1e-6


def front_face_point(
    columns: Mapping[str, NDArray[Any]], face_cm: float | None
) -> NDArray[np.float64]:
    """Follow particles in a straight line to the front face.

    A particle that starts on the face (within 10 nm) is where it is. Another one is followed
    along its momentum, forwards or backwards. It stays where it is if it moves across the beam,
    if a number is not finite, or if its ``z_cm`` is exactly 0: shower files have 0 where a
    property is not given (``docs/shower-file.md``), and x and y are then those on the face.
    Each row is judged for itself, so that it has one point in any batch.

    Arguments:
        columns: Properties by name, each ``(n,)``: positions in cm, momenta in GeV/c.
        face_cm: Position of the front face along the beam; ``None`` if it is not known.

    Returns:
        x and y in cm, ``(n, 2)``.

    Example:
        >>> names = ("x_cm", "y_cm", "z_cm", "px_gev", "py_gev", "pz_gev")
        >>> rows = np.array([[0.5, 0, -100, 1, 0, -100], [0.5, 0, 0, 1, 0, -100]])
        >>> front_face_point(dict(zip(names, rows.T, strict=True)), -200.0)[:, 0].tolist()
        [1.5, 0.5]
    """
    position = np.stack((columns["x_cm"], columns["y_cm"]), axis=1).astype(np.float64)
    if face_cm is None:
        return position
    z = np.asarray(columns["z_cm"], dtype=np.float64)
    along = np.asarray(columns["pz_gev"], dtype=np.float64)
    way = face_cm - z
    rows = np.flatnonzero(
        (np.abs(way) > _ON_FACE_CM)
        & (z != 0)
        & np.isfinite(way)
        & (along != 0)
        & np.isfinite(along)
    )
    if not len(rows):
        return position
    across = np.stack((columns["px_gev"][rows], columns["py_gev"][rows]), axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        position[rows] += across / along[rows, None] * way[rows, None]
    return position
