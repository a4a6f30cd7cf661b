"""Sums and shape of the channel regressor, each by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from caloforge.errors import ConfigError
from caloforge.models import ChannelRegressorConfig
from caloforge.nn import ShowerSpec
from caloforge.types import ShowerBatch

CONFIG = ChannelRegressorConfig(noise_dim=4, hidden=(16,), decoder=(16,))


@pytest.fixture
def batch(toy_grid) -> ShowerBatch:
    """128 showers of one shape whose light fluctuates; half of the cells are not near."""
    rng = torch.Generator().manual_seed(0)
    light = 5 * torch.randn(128, 1, generator=rng).mul(0.4).exp()
    shape = torch.linspace(0.2, 2.0, toy_grid.n_cells)
    near = (torch.arange(toy_grid.n_cells) % 2 == 0).float().expand(128, -1)
    showers = torch.poisson(light * shape * near, generator=rng)
    return ShowerBatch(showers, torch.zeros(128, 1), torch.arange(128), near)


def built(toy_grid, batch, **changes):
    torch.manual_seed(0)
    return replace(CONFIG, **changes).build(ShowerSpec.of(toy_grid, 1, batch=batch))


def trained(model, batch, steps=300):
    for phase in model.phases():
        optimizer = torch.optim.Adam(phase.parameters(), lr=1e-2)
        rng = torch.Generator().manual_seed(0)
        for _ in range(steps):
            optimizer.zero_grad()
            phase.objective(batch, rng).total.backward()
            optimizer.step()
    return model


def test_cells_of_a_region_add_up_to_its_sum(toy_grid, batch) -> None:
    model = built(toy_grid, batch)
    noise = torch.randn(128, 4, generator=torch.Generator().manual_seed(1))
    cells = model.sample(batch.conditions, noise)
    torch.testing.assert_close(
        model.region_sums.plain(cells), model._sums(batch.conditions, noise)
    )


def test_within_a_region_only_the_condition_sets_the_shape(toy_grid, batch) -> None:
    model = built(toy_grid, batch)
    noise = torch.randn(2, 128, 4, generator=torch.Generator().manual_seed(1))
    first, second = (model.sample(batch.conditions, one) for one in noise)
    factors = first / second
    for region in range(int(model.get_buffer("regions").max()) + 1):
        of_region = factors[:, model.get_buffer("regions") == region]
        torch.testing.assert_close(of_region, of_region[:, :1].expand_as(of_region))
        assert of_region.std(dim=0).min() > 0


def test_phases_give_each_other_no_gradient(toy_grid, batch) -> None:
    model = built(toy_grid, batch, cells="negative-binomial")
    for phase in model.phases():
        model.zero_grad()
        phase.objective(batch, torch.Generator().manual_seed(1)).total.backward()
        own = {id(p) for p in phase.parameters()}
        assert all((p.grad is not None) == (id(p) in own) for p in model.parameters())


def test_sums_learn_the_fluctuation_and_cells_the_shape(toy_grid, batch) -> None:
    model = trained(built(toy_grid, batch), batch)
    rng = torch.Generator().manual_seed(2)
    with torch.no_grad():
        cells = model.sample(batch.conditions, torch.randn(128, 4, generator=rng)) * batch.near
    made, true = torch.poisson(cells, generator=rng).sum(dim=1), batch.showers.sum(dim=1)
    assert float(made.mean() / true.mean()) == pytest.approx(1, abs=0.15)
    assert float(made.std() / true.std()) == pytest.approx(1, abs=0.3)
    profile, expected = cells.sum(dim=0) / cells.sum(), batch.showers.sum(dim=0) / true.sum()
    assert float((profile - expected).abs().sum()) / 2 < 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"draws": 1}, "model.draws: found 1, expected 2 or more"),
        ({"noise_dim": 0}, "model.noise_dim: found 0, expected above 0"),
        ({"hidden": (0,)}, r"model.hidden: found \[0\]"),
    ],
)
def test_bad_settings_are_refused(change, message) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(CONFIG, **change)
