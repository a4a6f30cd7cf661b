"""Showers of a batch, moved to the model's frame of cells, on the CPU or on a GPU.

Reflections and rolls of a grid send lines of cells to lines of cells. So the way from a
detector to the model's frame is two short lists of numbers a shower, one along x and one along
y, instead of a number a cell; their sums are the places to take the cells from, all in one go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch

from caloforge.data.reflections import Reflections
from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from caloforge.data.particles import Particles
    from caloforge.data.transforms import CellFrame

# Of one width, but torch computes with them everywhere.
_SIGNED = {"uint16": np.int16, "uint32": np.int32}


class Cells(Protocol):
    """Showers to choose from."""

    def rows(self, rows: NDArray[np.int64]) -> Tensor:
        """Return some showers as float32, ``(batch, cell)``, on their device."""
        ...


class HostCells:
    """Showers in the memory of the machine.

    Arguments:
        showers: ``(n, cell)``, of any type of number.
    """

    def __init__(self, showers: NDArray[Any]) -> None:
        self.showers = showers

    def rows(self, rows: NDArray[np.int64]) -> Tensor:
        """Return some showers as float32, ``(batch, cell)``."""
        return torch.from_numpy(self.showers[rows].astype(np.float32, copy=False))


class DeviceCells:
    """Showers in the memory of a device, in the type of the file.

    Arguments:
        showers: ``(n, cell)``, of any type of number.
        device: E.g. a GPU.
    """

    def __init__(self, showers: NDArray[Any], device: torch.device) -> None:
        self.device = device
        # Numbers without a sign are kept as signed ones of the same bits.
        self._bits = {"uint16": 16, "uint32": 32}.get(showers.dtype.name, 0)
        showers = np.ascontiguousarray(showers)
        if self._bits:
            showers = showers.view(_SIGNED[showers.dtype.name])
        self._cells = torch.from_numpy(showers).to(device)

    def rows(self, rows: NDArray[np.int64]) -> Tensor:
        """Return some showers as float32, ``(batch, cell)``, on the device."""
        chosen = torch.from_numpy(rows).to(self.device, non_blocking=True)
        cells = self._cells.index_select(0, chosen)
        if self._bits:
            wide = torch.int32 if self._bits == 16 else torch.int64
            cells = cells.to(wide) & ((1 << self._bits) - 1)
        return cells.to(torch.float32)


class Lines(NamedTuple):
    """Where the cells of a model's frame come from.

    Attributes:
        along_x: Part of the detector's cell number that the model's place along x gives,
            ``(n, cells_x)``.
        along_y: The part of the place along y, ``(n, cells_y)``: the cell is the sum of both.
        near_x: 1 for lines along x that are near, 0 for far ones, ``(n, cells_x)``.
        near_y: The same along y; a cell is near if both its lines are.
    """

    along_x: NDArray[np.int32]
    along_y: NDArray[np.int32]
    near_x: NDArray[np.float32]
    near_y: NDArray[np.float32]


def lines(
    frame: CellFrame, particles: Particles, flags: NDArray[np.int64] | None
) -> Lines | None:
    """Find where the cells of a model's frame come from.

    Arguments:
        frame: The model's frame.
        particles: Incident particles after their reflection.
        flags: Which reflections were applied to each, ``(n, reflections)``; ``None`` for none.

    Returns:
        The lines, or ``None`` if cells stay where they are, or do not lie in lines.
    """
    layout = frame.geometry.layout
    if not isinstance(layout, GridLayout) or (flags is None and not frame.centre_on_impact):
        return None
    size = layout.cells
    if frame.centre_on_impact:
        places = frame.places(particles, layout)
    else:
        x, y = (np.broadcast_to(np.arange(s), (len(particles), s)) for s in size)
        places = x, y
    near = [((p >= 0) & (p < s)).astype(np.float32) for p, s in zip(places, size, strict=True)]
    source = [p % s for p, s in zip(places, size, strict=True)]
    # A transposed shower has its places along x from the detector's y.
    swapped = np.zeros((len(particles), 1), dtype=bool)
    if flags is not None:
        names = Reflections(frame.geometry).names
        for k, name in reversed(list(enumerate(names))):
            on = flags[:, k : k + 1] != 0
            if name == "transpose":
                swapped = swapped ^ on
                continue
            axis = 0 if name == "mirror_x" else 1
            for side in (0, 1):
                flip = on & (swapped if side != axis else ~swapped)
                source[side] = np.where(flip, size[axis] - 1 - source[side], source[side])
    x, y = source
    along_x = np.where(swapped, x, x * size[1])
    if layout.planes > 1:  # lines of all planes, one after another
        first = np.arange(layout.planes)[:, None] * (size[0] * size[1])
        along_x = (along_x[:, None, :] + first).reshape(len(particles), -1)
        near[0] = np.tile(near[0], (1, layout.planes))
    return Lines(
        along_x.astype(np.int32),
        np.where(swapped, y * size[1], y).astype(np.int32),
        *near,
    )


def moved(cells: Tensor, where: Lines) -> tuple[Tensor, Tensor]:
    """Move showers to the model's frame.

    Arguments:
        cells: Showers in the detector's frame, float32 ``(n, cell)``, contiguous.
        where: Where each cell comes from.

    Returns:
        Showers in the model's frame with 0 in far cells, and 1 for near cells, 0 for far ones;
        both ``(n, cell)`` on the device of ``cells``.
    """
    n, n_cells = cells.shape
    first = np.arange(n, dtype=np.int64)[:, None] * n_cells
    wide = np.int32 if n * n_cells < 2**31 else np.int64
    along_x, along_y, near_x, near_y = (
        torch.from_numpy(part).to(cells.device, non_blocking=True)
        for part in (
            (where.along_x + first).astype(wide),
            where.along_y.astype(wide, copy=False),
            where.near_x,
            where.near_y,
        )
    )
    index = (along_x[:, :, None] + along_y[:, None, :]).reshape(-1)
    seen = cells.reshape(-1).index_select(0, index).reshape(n, n_cells)
    near = (near_x[:, :, None] * near_y[:, None, :]).reshape(n, n_cells)
    return seen.mul_(near), near
