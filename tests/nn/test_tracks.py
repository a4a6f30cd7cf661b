"""Counts of tracks: means stay, neighbours go together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from caloforge.data.track_light import TrackLight, expected_pairs
from caloforge.nn import ShowerSpec, cell_head, draw_tracks
from caloforge.types import CellLaw, ShowerBatch

GRID = (12, 10)
LAW = CellLaw("tracks", 2.3, 0.7, 1.2)


@pytest.fixture(scope="module")
def steep() -> torch.Tensor:
    """A mean shower that falls by a factor of a thousand, with empty cells."""
    x, y = torch.meshgrid(torch.arange(12.0), torch.arange(10.0), indexing="ij")
    mean = 6 * torch.exp(-torch.hypot(x - 5.2, y - 4.1) / 1.3)
    mean[0, 0] = 0
    return mean.ravel()


@pytest.fixture(scope="module")
def drawn(steep) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    return draw_tracks(steep.expand(60_000, -1), LAW, GRID, rng)


def test_means_stay(steep, drawn) -> None:
    error = drawn.std(dim=0) / len(drawn) ** 0.5
    assert ((drawn.mean(dim=0) - steep).abs() <= 5 * error + 1e-4).all()
    assert drawn[:, 0].sum() == 0


def test_the_sum_fluctuates_by_the_factor_and_a_cell_by_less(steep, drawn) -> None:
    total = drawn.sum(dim=1)
    assert float(total.var() / total.mean()) == pytest.approx(2.3, rel=0.03)
    cell = steep.argmax()
    assert 1.2 < float(drawn[:, cell].var() / drawn[:, cell].mean()) < 2.1


def test_neighbours_go_together_as_expected(steep, drawn) -> None:
    light = TrackLight(LAW.fano - 1, LAW.wander, LAW.reach)
    cells = drawn.reshape(-1, *GRID).numpy()
    mean = cells.mean(axis=0, dtype=float)  # not the true one: its chance cancels
    everywhere = np.ones(GRID, dtype=bool)
    lags = [(0, 0), (0, 1), (0, 2)]
    for lag, expected in zip(lags, expected_pairs(light, mean, everywhere, lags), strict=True):
        d = lag[1]
        pairs = [
            (cells[:, :, : 10 - d] * cells[:, :, d:]).sum() / len(cells)
            - (mean[:, : 10 - d] * mean[:, d:]).sum(),
            (cells[:, : 12 - d] * cells[:, d:]).sum() / len(cells)
            - (mean[: 12 - d] * mean[d:]).sum(),
        ]
        found = np.mean(pairs) - (mean.sum() if d == 0 else 0)
        assert found / mean.sum() == pytest.approx(expected, rel=0.05)


def test_nothing_wanders_without_a_chance(steep) -> None:
    law = replace(LAW, wander=0.0)
    made = draw_tracks(steep.expand(20_000, -1), law, GRID, torch.Generator().manual_seed(1))
    bright = steep > 0.5
    ratio = made.var(dim=0)[bright] / steep[bright]
    torch.testing.assert_close(ratio, torch.full_like(ratio, 2.3), rtol=0.15, atol=0)


def test_photons_and_electrons_have_a_law_of_their_own(steep) -> None:
    own = replace(LAW, fano=1.2, wander=0.0)
    law = replace(LAW, electromagnetic=own, columns=(0, 2))
    conditions = torch.zeros(30_000, 4)
    conditions[::3, 2], conditions[1::3, 1] = 1, 1
    cells, rng = steep.expand(30_000, -1), torch.Generator().manual_seed(0)
    total = draw_tracks(cells, law, GRID, rng, conditions).sum(dim=1)
    apart = law.apart(conditions)
    assert apart.tolist() == [k % 3 == 0 for k in range(30_000)]
    for rows, fano in ((apart, 1.2), (~apart, 2.3)):
        assert float(total[rows].mean()) == pytest.approx(float(steep.sum()), rel=0.01)
        assert float(total[rows].var() / total[rows].mean()) == pytest.approx(fano, rel=0.05)
    assert LAW.apart(conditions) is None
    whole = draw_tracks(cells, law, GRID, rng).sum(dim=1)  # nobody says which
    assert float(whole[apart].var() / whole[apart].mean()) == pytest.approx(2.3, rel=0.05)


def test_a_head_knows_the_law_of_photons_and_electrons(toy_grid) -> None:
    light = TrackLight(1.25, 0.5, 2.0, TrackLight(0.25, 0.1, 1.0), (1, 3))
    spec = ShowerSpec.of(toy_grid, 4, tracks=light)
    own = CellLaw("tracks", 1.25, 0.1, 1.0)
    head = cell_head("tracks", spec)
    assert head.law() == CellLaw("tracks", 2.25, 0.5, 2.0, own, (1, 3))
    loaded = cell_head("tracks", ShowerSpec.of(toy_grid, 4))
    loaded.load_state_dict(head.state_dict())
    assert loaded.law() == head.law()


def test_a_head_knows_its_tracks(toy_grid) -> None:
    light = TrackLight(1.25, 0.5, 2.0)
    spec = ShowerSpec.of(toy_grid, 2, tracks=light)
    head = cell_head("tracks", spec)
    assert head.law() == CellLaw("tracks", 2.25, 0.5, 2.0)
    assert head.law_of_one().name == "negative-binomial"
    loaded = cell_head("tracks", ShowerSpec.of(toy_grid, 2))
    assert loaded.law().wander == 0
    loaded.load_state_dict(head.state_dict())
    assert loaded.law() == head.law()


def test_the_loss_finds_the_mean_of_counts_of_any_law(toy_grid) -> None:
    spec = ShowerSpec.of(toy_grid, 2, tracks=TrackLight(1.25, 0.5, 2.0))
    rng = torch.Generator().manual_seed(0)
    n = 64  # many empty showers and a few bright ones, far from any law of counts
    showers = torch.poisson(torch.rand(n, 24, generator=rng) * 2, generator=rng)
    showers *= 1 + 9 * (torch.rand(n, 1, generator=rng) < 0.1)
    batch = ShowerBatch(showers, torch.zeros(n, 2), torch.arange(n), torch.ones(n, 24))
    slopes = {}
    for name in ("tracks", "negative-binomial"):
        outputs = showers.mean(dim=0).log().requires_grad_()
        cell_head(name, spec).loss(outputs.expand(n, -1), batch).backward()
        slopes[name] = float(outputs.grad.abs().max())
    assert slopes["tracks"] < 1e-5
    assert slopes["negative-binomial"] > 1e-2  # this one does not
