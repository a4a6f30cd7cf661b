"""Sums over regions under the law of tracks: tracks lie in several of them."""

from __future__ import annotations

import torch

from caloforge.nn import RegionSums, draw_tracks
from caloforge.types import CellLaw

LAW = CellLaw("tracks", 2.2, 0.7, 1.2)


def test_a_small_region_fluctuates_less_than_a_large_sum() -> None:
    regions = torch.zeros(10, 12, dtype=torch.int64)
    regions[4:6, 5:7] = 1
    sums = RegionSums(regions.ravel(), 1.0, (10, 12))
    cells = torch.full((30_000, 120), 2.0)
    drawn = sums.drawn(cells, LAW, torch.Generator().manual_seed(0)).square() - 0.375
    fano = drawn.var(dim=0) / drawn.mean(dim=0)
    counts = draw_tracks(cells, LAW, (10, 12), torch.Generator().manual_seed(1))
    small = sums.plain(counts)[:, 1]
    torch.testing.assert_close(fano[1], small.var() / small.mean(), rtol=0.05, atol=0)
    assert fano[1] < 1.9  # companions are outside
    torch.testing.assert_close(fano[2], torch.tensor(2.2), rtol=0.05, atol=0)


def test_the_gradient_takes_a_count_for_its_mean() -> None:
    sums = RegionSums(torch.tensor([0, 0, 1, 1]), 1.0, (2, 2))
    cells = torch.full((3, 4), 5.0, requires_grad=True)
    made = sums.drawn(cells, LAW, torch.Generator().manual_seed(0))
    made.square().sum().backward()
    # Squares of the stabilised sums are the sums: each cell is in its region and in the total.
    torch.testing.assert_close(cells.grad, torch.full((3, 4), 2.0))
