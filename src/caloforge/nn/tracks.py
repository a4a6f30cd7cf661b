"""Counts of tracks: clusters of counts that lie in neighbouring cells, too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from caloforge.data.track_light import TrackLight, steps
from caloforge.nn.cells import PoissonCells
from caloforge.types import CellLaw

if TYPE_CHECKING:
    from caloforge.nn.spec import ShowerSpec

# The law of cluster sizes is cut off where this share is left.
_TAIL = 1e-6


class TrackCells(PoissonCells):
    r"""Counts drawn so that neighbours go together as one track's light does.

    The loss is that of `PoissonCells`, as counts of tracks are no Poisson counts but have a
    mean :math:`\lambda`, which Poisson's likelihood finds whatever the true law is (Gourieroux,
    Monfort and Trognon, 1984). The negative-binomial one does not: it takes light from the
    core to the far cells (docs/experiments.md). Drawn counts are clusters of the Fano factor
    of the sum of many cells, whose counts wander: each tries with some chance a step
    :math:`i \to j`, short ones more often (`caloforge.data.track_light.steps`), and makes it
    with probability :math:`\min(1, \lambda_j / \lambda_i)`. By Metropolis' rule that leaves
    every mean where it was. How many counts a track has and how far they go is measured from
    repeated showers before training (`TrackLight`), not learned.

    Arguments:
        spec: Sizes, the mean shower and the measured tracks; without them, as when weights are
            about to be loaded, none.
    """

    name = "tracks"

    def __init__(self, spec: ShowerSpec) -> None:
        super().__init__(spec)
        light = spec.tracks if isinstance(spec.tracks, TrackLight) else None
        light = light or TrackLight(1.0, 0.0, 1.0)
        rows = (light, light.electromagnetic or light)
        values = [(row.companions, row.wander, row.reach) for row in rows]
        self.register_buffer("light", torch.tensor(values, dtype=torch.float64))
        # Which conditions say that a shower is electromagnetic.
        columns = torch.zeros(spec.condition_dim)
        columns[list(light.columns)] = 1
        self.register_buffer("electromagnetic", columns)

    def law(self) -> CellLaw:
        """Tracks, those of photons and electrons apart if they were measured so."""
        most, electromagnetic = (
            CellLaw("tracks", 1 + companions, wander, reach)
            for companions, wander, reach in self.get_buffer("light").tolist()
        )
        columns = tuple(self.get_buffer("electromagnetic").nonzero()[:, 0].tolist())
        if not columns:
            return most
        return replace(most, electromagnetic=electromagnetic, columns=columns)

    def law_of_one(self) -> CellLaw:
        """Negative binomial, with the companions that stay in the cell."""
        companions, wander, _ = self.get_buffer("light")[0].tolist()
        return CellLaw("negative-binomial", 1 + companions * (1 - wander))


def draw_tracks(
    cells: Tensor,
    law: CellLaw,
    grid: tuple[int, int],
    rng: torch.Generator,
    conditions: Tensor | None = None,
) -> Tensor:
    """Draw counts under the law ``"tracks"``.

    Arguments:
        cells: Expected counts in the detector's order of cells, ``(batch, cell)``.
        law: The law.
        grid: Cells along x and y.
        rng: Random generator of their device.
        conditions: Scaled conditions, ``(batch, condition)``; without them the law of hadrons
            holds for photons and electrons, too.

    Returns:
        Counts, ``(batch, cell)``.
    """
    apart = None if conditions is None else law.apart(conditions)
    if apart is None or law.electromagnetic is None:
        return _drawn(cells, law, grid, rng)
    counts = torch.empty_like(cells)
    for rows, own in ((apart, law.electromagnetic), (~apart, law)):
        counts[rows] = _drawn(cells[rows], own, grid, rng)
    return counts


def _drawn(cells: Tensor, law: CellLaw, grid: tuple[int, int], rng: torch.Generator) -> Tensor:
    """Draw counts of one law."""
    device = cells.device
    rate = cells * law.clusters_per_count
    clusters = torch.poisson(rate, generator=rng)
    hit = clusters.nonzero()
    rows, place = hit.repeat_interleave(clusters[hit[:, 0], hit[:, 1]].long(), dim=0).T
    sizes = torch.tensor(law.cluster_sizes(_TAIL), device=device)
    chance = torch.rand(rows.shape, generator=rng, device=device)
    size = 1 + torch.searchsorted(sizes[:-1], chance, right=True)
    rows, place = rows.repeat_interleave(size), place.repeat_interleave(size)

    table, chances = steps(law.reach)
    n = len(rows)
    leaves = torch.rand(n, generator=rng, device=device) < law.wander
    drawn = torch.rand(n, generator=rng, device=device)
    edges = torch.from_numpy(np.cumsum(chances)[:-1]).to(cells)
    step = torch.from_numpy(table).to(device)[torch.searchsorted(edges, drawn, right=True)]
    x, y = place // grid[1] + step[:, 0], place % grid[1] + step[:, 1]
    leaves &= (x >= 0) & (x < grid[0]) & (y >= 0) & (y < grid[1])
    there = torch.where(leaves, x * grid[1] + y, place)
    accepted = torch.rand(n, generator=rng, device=device) * cells[rows, place]
    place = torch.where(accepted < cells[rows, there], there, place)
    counts = torch.zeros_like(cells)
    counts.index_put_((rows, place), torch.ones_like(drawn, dtype=cells.dtype), accumulate=True)
    return counts
