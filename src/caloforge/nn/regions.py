"""Coarse sums of showers, on a scale where counts have a constant spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from caloforge.nn.processes import gathered, own
from caloforge.nn.tracks import draw_tracks

if TYPE_CHECKING:
    from caloforge.nn.spec import ShowerSpec
    from caloforge.types import CellLaw

# Anscombe's offset: the square root of a Poisson count plus it has variance 1/4.
_OFFSET = 0.375


class RegionSums(nn.Module):
    """Square roots of the sums over each region, and of the total.

    Arguments:
        regions: Number of each cell's region, ``(cell,)``.
        scale: Sums are divided by it: 1 for counts, a typical cell for energies.
        grid: Cells along x and y, where the detector is a grid: tracks lie in them.
    """

    def __init__(
        self, regions: Tensor, scale: float, grid: tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        self.grid = grid
        masks = nn.functional.one_hot(regions).float()  # (cell, region)
        self.register_buffer("masks", masks, persistent=False)
        self.scale = scale

    @classmethod
    def of(cls, spec: ShowerSpec) -> RegionSums:
        """Make those of a detector."""
        return cls(spec.regions, 1.0 if spec.counts else spec.cell_scale, spec.grid)

    def forward(self, showers: Tensor) -> Tensor:
        """Map observed showers ``(batch, cell)`` to ``(batch, region + 1)``."""
        return self._stabilised(self.plain(showers))

    def plain(self, showers: Tensor) -> Tensor:
        """Sum up each region in the detector's unit, ``(batch, cell) -> (batch, region)``."""
        return showers @ self.get_buffer("masks")

    def drawn(
        self,
        cells: Tensor,
        law: CellLaw,
        rng: torch.Generator,
        conditions: Tensor | None = None,
    ) -> Tensor:
        r"""Map a model's cells ``(batch, cell)`` to what their counts would give.

        Tracks of photons and electrons are told from others by the ``conditions``.

        Counts are drawn. The gradient takes a count for its intensity, which is the first
        order of :math:`\\mathrm{d} E f(X) / \\mathrm{d} \\lambda = E[f(X + 1) - f(X)]`.
        """
        if law.name != "tracks" or self.grid is None:
            return self.drawn_sums(self.plain(cells), law, rng, self.deposits(cells, law))
        # A track may lie in several regions: none of them has the spread of a large sum.
        sums = self.plain(cells)
        with torch.no_grad():
            seen = None if conditions is None else gathered(conditions)
            counts = draw_tracks(gathered(cells), law, self.grid, rng, seen)
            noise = own(self.plain(counts)) - sums
        return self._stabilised(sums + noise)

    def deposits(self, cells: Tensor, law: CellLaw) -> Tensor | None:
        """Mean energy of a deposit in each region, ``(batch, region)``, if cells have them."""
        return law.mean_deposit(cells.detach(), self.plain)

    def drawn_sums(
        self, sums: Tensor, law: CellLaw, rng: torch.Generator, deposits: Tensor | None = None
    ) -> Tensor:
        """As `drawn`, from expected sums ``(batch, region)``; tracks stay in their region."""
        with torch.no_grad():
            every = None if deposits is None else gathered(deposits)
            noise = own(law.draw_sums(gathered(sums), rng, every)) - sums
        return self._stabilised(sums + noise)

    def _stabilised(self, sums: Tensor) -> Tensor:
        joined = torch.cat((sums, sums.sum(dim=1, keepdim=True)), dim=1) / self.scale
        return (joined + _OFFSET).sqrt()
