"""The conditional normalising flow is a density, its own inverse, and learns a known law."""

from __future__ import annotations

import math
import sys

import pytest
import torch
from zuko.transforms import MonotonicRQSTransform

from caloforge.errors import ConfigError
from caloforge.models import LatentFlowConfig
from caloforge.nn import ShowerSpec
from caloforge.nn.flow import ConditionalFlow, SplineTransform


def shaken(latent: int, conditions: int, *, size: float = 0.4, couplings: int = 3):
    """A flow far from the identity."""
    flow = ConditionalFlow(latent, conditions, couplings=couplings, hidden=(16,), bins=6)
    rng = torch.Generator().manual_seed(latent)
    for p in flow.parameters():
        p.data = size * torch.randn(p.shape, generator=rng)
    return flow


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("latent", [1, 2])
@pytest.mark.parametrize("conditions", [0, 2])
def test_the_density_integrates_to_one(latent, conditions) -> None:
    flow = shaken(latent, conditions)
    for condition in normal(2, conditions):
        context = condition.expand(1000, -1)
        codes = flow(normal(1000, latent, seed=1), context).detach()
        # A grid around what is drawn, wide enough for the tails.
        middle, spread = codes.mean(dim=0), codes.std(dim=0)
        n = 4001 if latent == 1 else 301
        axes = [torch.linspace(-12, 12, n) * s + m for m, s in zip(middle, spread, strict=True)]
        grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        grid = grid.reshape(-1, latent)
        step = math.prod(float(axis[1] - axis[0]) for axis in axes)
        with torch.no_grad():
            density = flow.log_prob(grid, condition.expand(len(grid), -1)).exp()
        assert float(density.sum() * step) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("latent", [1, 2, 5, 10])
@pytest.mark.parametrize("conditions", [0, 3])
def test_density_is_that_of_the_noise_by_autograds_jacobian(latent, conditions) -> None:
    flow = shaken(latent, conditions)
    noise, context = normal(8, latent), normal(8, conditions, seed=1)
    codes = flow(noise, context).detach()
    found = flow.log_prob(codes, context)
    for k in range(8):
        slope = torch.autograd.functional.jacobian(
            lambda n, k=k: flow(n[None], context[k : k + 1])[0], noise[k]
        )
        log_normal = -(noise[k].square().sum() + latent * math.log(2 * math.pi)) / 2
        expected = log_normal - torch.linalg.slogdet(slope.double()).logabsdet
        assert float(found[k].detach()) == pytest.approx(float(expected.detach()), abs=2e-3)


@pytest.mark.parametrize("latent", [1, 4])
def test_codes_lead_back_to_their_noise(latent) -> None:
    flow, context = shaken(latent, 2), normal(200, 2, seed=1)
    noise = normal(200, latent) * 2
    back = flow(noise, context).detach()
    for layer in flow.layers:
        back = layer(context)(back)
    torch.testing.assert_close(back, noise, rtol=0, atol=2e-3)


def test_it_starts_near_the_standard_normal() -> None:
    torch.manual_seed(0)
    flow = ConditionalFlow(4, 3, couplings=4, hidden=(64, 64), bins=8)
    noise = normal(1000, 4)
    codes = flow(noise, normal(1000, 3, seed=1)).detach()
    assert float((codes - noise).abs().max()) < 0.5


@pytest.mark.parametrize("size", [1.0, 30.0, 1e4])
def test_draws_are_finite_for_any_condition_noise_and_weights(size) -> None:
    flow = shaken(6, 3, size=size, couplings=4)
    noise = torch.cat((normal(5000, 6), 100 * normal(200, 6, seed=1), torch.full((1, 6), 5.0)))
    for scale in (1.0, 1e3, 1e30):
        context = scale * normal(len(noise), 3, seed=2)
        assert torch.isfinite(flow(noise, context)).all()


def test_the_inverse_of_a_spline_is_safe_where_zukos_is_not() -> None:
    parts = [300 * normal(50_000, n, seed=n) for n in (8, 8, 7)]
    parts[1] = 300 * normal(50_000, 8, seed=9)
    theirs, ours = (
        kind(*parts, slope=1e-2) for kind in (MonotonicRQSTransform, SplineTransform)
    )
    # At the knots, where steep meets flat.
    y = theirs.vertical[:, 4]
    bad = ~torch.isfinite(theirs.inv(y))
    assert bad.any()
    assert torch.isfinite(ours.inv(y)).all()
    mild = [part / 300 for part in parts]
    theirs, ours = (
        kind(*mild, slope=0.05) for kind in (MonotonicRQSTransform, SplineTransform)
    )
    y = 3 * normal(50_000)
    torch.testing.assert_close(ours.inv(y), theirs.inv(y), rtol=0, atol=1e-4)
    torch.testing.assert_close(ours(ours.inv(y)), y, rtol=0, atol=1e-4)


def test_a_shift_and_a_bend_that_the_condition_sets_are_learned() -> None:
    r"""Of :math:`z_1 \sim N(c, 0.5^2)`, :math:`z_2 \sim N(z_1^2, 0.2^2)`, density known."""
    torch.manual_seed(0)
    flow = ConditionalFlow(2, 1, couplings=2, hidden=(32,), bins=8)
    rng = torch.Generator().manual_seed(0)

    def drawn(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        condition = 2 * torch.rand(n, 1, generator=rng) - 1
        first = condition + 0.5 * torch.randn(n, 1, generator=rng)
        second = first.square() + 0.2 * torch.randn(n, 1, generator=rng)
        return torch.cat((first, second), dim=1), condition

    optimizer = torch.optim.Adam(flow.parameters(), lr=1e-2)
    for step in range(300):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / 300)
        optimizer.zero_grad()
        (-flow.log_prob(*drawn(256)).mean()).backward()
        optimizer.step()
    codes, condition = drawn(4000)
    with torch.no_grad():
        loss = -float(flow.log_prob(codes, condition).mean())
        entropy = math.log(2 * math.pi * math.e) + math.log(0.5) + math.log(0.2)
        assert entropy - 0.1 < loss < entropy + 0.1
        for c in (-0.5, 0.8):
            made = flow(normal(4000, 2), torch.full((4000, 1), c))
            assert float(made[:, 0].mean()) == pytest.approx(c, abs=0.08)
            assert float(made[:, 0].std()) == pytest.approx(0.5, abs=0.06)
            rest = made[:, 1] - made[:, 0].square()
            assert float(rest.mean()) == pytest.approx(0, abs=0.08)
            assert float(rest.std()) == pytest.approx(0.2, abs=0.1)


def test_without_zuko_one_line_says_what_to_install(monkeypatch, toy_grid) -> None:
    monkeypatch.delitem(sys.modules, "caloforge.nn.flow")
    for name in [name for name in sys.modules if name.partition(".")[0] == "zuko"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError) as caught:
        LatentFlowConfig().build(ShowerSpec.of(toy_grid, 2))
    expected = "model 'latent-flow': found no zuko; pip install 'caloforge[flow]'"
    assert str(caught.value) == expected
