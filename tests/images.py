"""Small images with labels, whose first rows and columns of pixels are always dark."""

from __future__ import annotations

import struct

import numpy as np

from caloforge.data import Particles, ShowerSample
from caloforge.data.images import no_particles
from caloforge.geometry import DetectorGeometry, GridLayout

N_LABELS = 3


def small_geometry(planes: int = 1) -> DetectorGeometry:
    """Images of 6 columns and 5 rows."""
    layout = GridLayout((6, 5), planes=planes)
    return DetectorGeometry("small", "Small", layout, "grey", counts=True, maximum=255.0)


def pictures(n: int, rows: int = 5, columns: int = 6, seed: int = 0) -> np.ndarray:
    """Upright pictures ``(n, row, column)``: noise, a bright bar in row label + 1."""
    rng = np.random.default_rng(seed)
    found = rng.integers(0, 60, (n, rows, columns), dtype=np.uint16)
    found[np.arange(n), 1 + np.arange(n) % N_LABELS] += 195
    found[:, 0] = found[:, :, 0] = 0
    return found


def image_sample(n: int = 60, *, planes: int = 1, seed: int = 0) -> ShowerSample:
    """Images of three labels in turn; further planes are darker, each by a half."""
    # Cell (i, j) is column i from the left and row j from the bottom.
    cells = pictures(n, seed=seed)[:, ::-1].transpose(0, 2, 1).reshape(n, -1)
    return ShowerSample(
        particles=Particles(no_particles(n) | {"label": np.arange(n) % N_LABELS}, np.arange(n)),
        showers=np.concatenate([cells // 2**k for k in range(planes)], axis=1),
        geometry=small_geometry(planes),
        cpu_seconds=None,
        provenance={},
        source="images",
    )


def idx(array: np.ndarray) -> bytes:
    """An idx file of bytes."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()
