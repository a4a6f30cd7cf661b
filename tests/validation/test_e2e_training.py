"""What watches the trainings of the e2e study."""

from __future__ import annotations

import pytest
import torch
from validation.e2e_training import quantiles, ring_regions

from caloforge.geometry import load_geometry
from caloforge.nn.spec import regions_of
from caloforge.types import CellLaw


def test_the_rings_of_the_package_are_those_of_two_edges() -> None:
    geometry = load_geometry("zn")
    expected = regions_of(geometry)
    assert ring_regions(geometry.layout.cells, (1, 4)).tolist() == expected.tolist()
    more = ring_regions(geometry.layout.cells, (1, 4, 8, 14))
    assert len(more.unique()) == 20
    # Finer: no region of the new ones crosses an edge of the old ones.
    assert len(torch.stack((more, expected)).unique(dim=1).T) == 20


@pytest.mark.parametrize(("name", "fano"), [("poisson", 1.0), ("negative-binomial", 1.7)])
def test_quantiles_have_mean_and_variance_of_the_law(name: str, fano: float) -> None:
    uniform = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    counts = quantiles(CellLaw(name, fano), torch.full_like(uniform, 12.0), uniform)
    assert torch.equal(counts, counts.round())
    assert float(counts.mean()) == pytest.approx(12, rel=0.01)
    assert float(counts.var()) == pytest.approx(12 * fano, rel=0.03)


def test_values_that_are_rounded_stay() -> None:
    values = torch.tensor([0.2, 3.7])
    assert torch.equal(quantiles(CellLaw("rounding"), values, torch.tensor([0.1, 0.9])), values)


def test_a_small_change_of_the_mean_changes_few_counts() -> None:
    uniform = torch.rand(5_000, generator=torch.Generator().manual_seed(0))
    law = CellLaw("negative-binomial", 1.7)
    before = quantiles(law, torch.full_like(uniform, 12.0), uniform)
    after = quantiles(law, torch.full_like(uniform, 12.01), uniform)
    assert (before != after).float().mean() < 0.03
