"""Reflections under which a detector maps onto itself: one shower seen from other sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.data.particles import Particles
    from caloforge.geometry import DetectorGeometry

_MOVED = ("x_cm", "y_cm", "px_gev", "py_gev")


@dataclass(frozen=True)
class Reflections:
    """Reflections under which a detector maps onto itself: one shower seen from other sides.

    Attributes:
        geometry: The detector; its layout names the reflections that hold.
    """

    geometry: DetectorGeometry

    @property
    def names(self) -> tuple[str, ...]:
        """The reflections, in the order in which they are applied."""
        return tuple(self.geometry.layout.symmetries)

    def particles(self, particles: Particles, flags: NDArray[np.bool_]) -> Particles:
        """Reflect incident particles.

        Arguments:
            particles: ``n`` particles.
            flags: Which reflections to apply to each, ``(n, len(names))``.

        Returns:
            The particles with position and momentum reflected.
        """
        columns = {name: particles[name] for name in _MOVED}
        for k, name in enumerate(self.names):
            on = flags[:, k]
            if name == "transpose":
                for a, b in (("x_cm", "y_cm"), ("px_gev", "py_gev")):
                    columns[a], columns[b] = (
                        np.where(on, columns[b], columns[a]),
                        np.where(on, columns[a], columns[b]),
                    )
            else:
                for column in {"mirror_x": ("x_cm", "px_gev"), "mirror_y": ("y_cm", "py_gev")}[
                    name
                ]:
                    columns[column] = np.where(on, -columns[column], columns[column])
        return particles.exchanged(columns)

    def order(self, flags: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Original cell at each cell of the reflected shower, ``(n, cell)``."""
        cells = self.geometry.n_cells
        layout = self.geometry.layout
        order = np.broadcast_to(np.arange(cells), (len(flags), cells))
        if not isinstance(layout, GridLayout):
            return order
        grid = np.arange(cells).reshape(layout.planes, *layout.cells)
        for k, name in reversed(list(enumerate(self.names))):
            reflected = {
                "mirror_x": grid[:, ::-1],
                "mirror_y": grid[:, :, ::-1],
                "transpose": grid.swapaxes(1, 2),
            }
            # Undo in reverse: where the last reflection took its cell from, and so on.
            order = np.where(flags[:, k : k + 1], reflected[name].ravel()[order], order)
        return order
