"""Reflections and turns that map a detector onto itself: one shower seen from other sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from caloforge.geometry import CylinderLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from caloforge.data.particles import Particles
    from caloforge.geometry import DetectorGeometry

_MOVED = ("x_cm", "y_cm", "px_gev", "py_gev")


@dataclass(frozen=True)
class Reflections:
    """Reflections and turns that map a detector onto itself.

    Attributes:
        geometry: The detector. The layout of a grid names those that hold; a cylinder is taken
            to be the same all around: it is mirrored and turned by whole sectors.
    """

    geometry: DetectorGeometry

    @property
    def names(self) -> tuple[str, ...]:
        """The reflections, in the order in which they are applied."""
        return tuple(self.geometry.layout.symmetries)

    def drawn(self, n: int, rng: np.random.Generator) -> NDArray[np.int64] | None:
        """Draw what is applied to each of ``n`` showers, ``(n, len(names))``.

        0 or 1 for a reflection, the number of sectors for a turn. ``None`` if the detector has
        no symmetry. Those of several batches are those of one large one.
        """
        layout = self.geometry.layout
        if not self.names:
            return None
        uniform = rng.random((n, len(self.names)))
        if isinstance(layout, CylinderLayout):
            return (uniform * (2, layout.sectors)).astype(np.int64)
        return (uniform < 0.5).astype(np.int64)

    def particles(self, particles: Particles, flags: NDArray[np.int64]) -> Particles:
        """Reflect incident particles.

        Arguments:
            particles: ``n`` particles.
            flags: As `drawn`, ``(n, len(names))``.

        Returns:
            The particles with position and momentum reflected.
        """
        columns = {name: particles[name] for name in _MOVED}
        for k, name in enumerate(self.names):
            on = flags[:, k] != 0
            for a, b in (("x_cm", "y_cm"), ("px_gev", "py_gev")):
                x, y = columns[a], columns[b]
                if name == "transpose":
                    columns[a], columns[b] = np.where(on, y, x), np.where(on, x, y)
                elif name == "turn":
                    angle = 2 * np.pi * flags[:, k] / self._sectors
                    turned = (x + 1j * y) * np.exp(1j * angle)
                    columns[a] = np.where(on, turned.real, x)
                    columns[b] = np.where(on, turned.imag, y)
                else:
                    column = {"mirror_x": a, "mirror_y": b}[name]
                    columns[column] = np.where(on, -columns[column], columns[column])
        return particles.exchanged(columns)

    @property
    def _sectors(self) -> int:
        layout = self.geometry.layout
        return layout.sectors if isinstance(layout, CylinderLayout) else 1

    def order(self, flags: NDArray[np.int64]) -> NDArray[np.int64]:
        """Original cell at each cell of the reflected shower, ``(n, cell)``."""
        cells = self.geometry.n_cells
        layout = self.geometry.layout
        if isinstance(layout, CylinderLayout):
            if not self.names:
                return np.broadcast_to(np.arange(cells), (len(flags), cells))
            return layout.turned[flags[:, 0], flags[:, 1]]
        order = np.broadcast_to(np.arange(cells), (len(flags), cells))
        grid = np.arange(cells).reshape(layout.planes, *layout.cells)
        for k, name in reversed(list(enumerate(self.names))):
            reflected = {
                "mirror_x": grid[:, ::-1],
                "mirror_y": grid[:, :, ::-1],
                "transpose": grid.swapaxes(1, 2),
            }
            # Undo in reverse: where the last reflection took its cell from, and so on.
            on = flags[:, k : k + 1] != 0
            order = np.where(on, reflected[name].ravel()[order], order)
        return order

    def showers(self, cells: Tensor, flags: NDArray[np.int64]) -> Tensor:
        """Reflect showers ``(n, cell)``."""
        result = torch.empty_like(cells)
        kinds, kind = np.unique(flags, axis=0, return_inverse=True)
        orders = torch.from_numpy(np.ascontiguousarray(self.order(kinds))).to(cells.device)
        for k, order in enumerate(orders):  # few kinds: no index for every cell of the batch
            rows = torch.from_numpy(np.flatnonzero(kind.ravel() == k)).to(cells.device)
            result[rows] = cells[rows].index_select(1, order)
        return result
