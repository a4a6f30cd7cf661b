"""Flows whose answer is known: Gaussians, exact long steps, showers that come back."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from tests.models.conftest import config_of
from torch import nn

from caloforge.errors import ConfigError
from caloforge.models import MODELS
from caloforge.models.flow import Flow, gaussian_velocity
from caloforge.models.flow_settings import FlowPlan
from caloforge.nn import integrate

PLAN = FlowPlan(steps=8, solver="euler", end=1.0, latest=0.99)
SPREAD = torch.tensor([0.1, 0.5, 1.0, 3.0], dtype=torch.float64)


class Nothing(nn.Module):
    """A network that has learned nothing, and need not."""

    def __init__(self, images: int = 1) -> None:
        super().__init__()
        self.images = images

    def forward(self, x, times, conditions):
        return torch.zeros_like(x).repeat(1, self.images)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussian(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 4, generator=seeded(seed), dtype=torch.float64)


def none(n: int) -> torch.Tensor:
    return torch.zeros(n, 0, dtype=torch.float64)


def column(value: float) -> torch.Tensor:
    return torch.full((1, 1), value, dtype=torch.float64)


def test_velocity_of_a_gaussian_is_the_mean_velocity_of_its_paths() -> None:
    # E(x1 - x0 | x_t) = Cov(x1 - x0, x_t) / Var(x_t) x_t
    t, x = 0.3, torch.ones(1, 4, dtype=torch.float64)
    variance = SPREAD.square()
    expected = (t * variance - (1 - t)) / ((1 - t) ** 2 + t**2 * variance)
    found = gaussian_velocity(x, column(t), column(0.0), SPREAD)
    torch.testing.assert_close(found[0], expected)


@pytest.mark.parametrize(("t", "d"), [(0.0, 1.0), (0.25, 0.5), (0.9, 0.1), (0.5, 1e-9)])
def test_mean_velocity_over_a_step_ends_where_the_flow_ends(t, d) -> None:
    def spread_at(t: float) -> torch.Tensor:
        return ((1 - t) ** 2 + t**2 * SPREAD.square()).sqrt()

    x = gaussian(1)
    after = x + d * gaussian_velocity(x, column(t), column(d), SPREAD)
    torch.testing.assert_close(after, x * spread_at(t + d) / spread_at(t), rtol=1e-12, atol=0)


def test_flow_of_a_gaussian_multiplies_noise_by_its_spread() -> None:
    flow = Flow(Nothing(), SPREAD, replace(PLAN, steps=400, solver="midpoint"))
    noise = gaussian(5)
    torch.testing.assert_close(
        flow.carried(noise, none(5)), SPREAD * noise, rtol=2e-3, atol=1e-6
    )
    # With shortcuts one step is exact.
    once = Flow(Nothing(), SPREAD, replace(PLAN, steps=1, shortcut=True))
    torch.testing.assert_close(once.carried(noise, none(5)), SPREAD * noise)


def test_flow_that_is_left_early_has_the_spread_of_that_time() -> None:
    flow = Flow(Nothing(), SPREAD, replace(PLAN, steps=400, solver="heun", end=0.6))
    expected = (0.4**2 + 0.6**2 * SPREAD.square()).sqrt()
    found = flow.carried(torch.ones(1, 4, dtype=torch.float64), none(1))
    torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=0)


def test_places_lie_on_straight_paths_from_normal_noise() -> None:
    n = 20_000
    plan = replace(PLAN, latest=0.8, last_share=0.25)
    data = 5 + gaussian(n, 1)
    point = Flow(Nothing(), SPREAD, plan).point(data, none(n), seeded())
    torch.testing.assert_close(point.x + (1 - point.times) * point.target, data)
    noise = point.x - point.times * point.target
    assert float(noise.mean()) == pytest.approx(0, abs=4 / math.sqrt(4 * n))
    assert float(noise.std()) == pytest.approx(1, abs=4 / math.sqrt(8 * n))
    last = (point.times == 0.8).double().mean()
    assert float(last) == pytest.approx(0.25, abs=4 * math.sqrt(0.1875 / n))
    assert float(point.times.max()) == 0.8
    early = point.times[point.times < 0.8]
    assert float(early.mean()) == pytest.approx(0.4, abs=4 * 0.8 / math.sqrt(12 * len(early)))


def test_error_of_the_right_velocity_is_what_paths_leave_open() -> None:
    # Var(x1 - x0 | x_t) = s^2 / ((1 - t)^2 + t^2 s^2)
    n = 40_000
    flow = Flow(Nothing(), SPREAD, PLAN)
    point = flow.point(SPREAD * gaussian(n, 1), none(n), seeded())
    velocity, _ = flow(point.x, point.times, torch.zeros_like(point.times), none(n))
    found = (velocity - point.target).square().mean(dim=0)
    variance = SPREAD.square()
    open_ = variance / ((1 - point.times).square() + point.times.square() * variance)
    torch.testing.assert_close(found, open_.mean(dim=0), rtol=0.04, atol=0)


def test_coupled_paths_cost_less_and_end_at_the_same_data() -> None:
    data = gaussian(64, 1)
    plan = replace(PLAN, condition_weight=1.0)
    free = Flow(Nothing(), SPREAD, PLAN).point(data, none(64), seeded())
    paired = Flow(Nothing(), SPREAD, plan).point(data, none(64), seeded())
    torch.testing.assert_close(paired.x + (1 - paired.times) * paired.target, data)
    assert paired.target.square().sum() < free.target.square().sum()


def test_shortcuts_of_a_gaussian_agree_and_learn_from_short_to_long() -> None:
    class Shift(Nothing):
        """A velocity that is added at long steps alone, where it is wrong."""

        def __init__(self) -> None:
            super().__init__()
            self.shift = nn.Parameter(torch.tensor(0.0, dtype=torch.float64))

        def forward(self, x, times, conditions):
            return self.shift * torch.ones_like(x)

    spread = torch.tensor([0.5, 0.7, 1.0, 1.5], dtype=torch.float64)
    flow = Flow(Shift(), spread, replace(PLAN, shortcut=True))
    data = spread * gaussian(2000, 1)
    assert float(flow.shortcut_error(data, none(2000), seeded()).detach()) < 1e-3
    with torch.no_grad():
        flow.network.shift.fill_(1.0)
    error = flow.shortcut_error(data, none(2000), seeded())
    (slope,) = torch.autograd.grad(error, flow.network.shift)
    # Had short steps a gradient, a shift that all steps share would have none.
    assert abs(float(slope)) > 1e-2


def test_few_steps_lose_rare_photons_unless_counts_are_drawn_early() -> None:
    """One cell of 0.05 photons and the exact velocity: what is left of its mean.

    Noise is taken at its quantiles, so that nothing here is random.
    """
    mean, n = 0.05, 4000
    counts = torch.arange(8, dtype=torch.float64)
    law = torch.softmax(counts * math.log(mean) - torch.lgamma(counts + 1), dim=0)
    levels = torch.log1p(counts)
    noise = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)[:, None]

    def posterior(x: torch.Tensor, t: float) -> torch.Tensor:
        return torch.softmax(law.log() - ((x - t * levels) / (1 - t)).square() / 2, dim=1)

    def carried(steps: int, end: float) -> torch.Tensor:
        def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
            return ((posterior(x, t) @ levels)[:, None] - x) / (1 - t)

        return integrate(velocity, noise, steps=steps, solver="euler", end=end)

    rounded = (carried(11, 1.0).clamp_min(0).expm1() + 0.5).floor().mean()
    drawn = (posterior(carried(11, 0.6), 0.6) @ counts).mean()
    assert float(rounded) < 0.85 * mean
    assert float(drawn) == pytest.approx(mean, rel=0.02)
    # It is the size of the steps, not the path.
    assert float((carried(200, 1.0).clamp_min(0).expm1() + 0.5).floor().mean()) > 0.95 * mean


@pytest.mark.parametrize("rounding", ["nearest", "dequantised"])
def test_counts_that_reach_the_end_of_the_flow_come_back(rounding, showers_of, monkeypatch):
    showers = showers_of("zn")
    config = replace(config_of("flow-matching-rounded"), rounding=rounding)
    model = showers.build(config).eval()
    counts = showers.batch.showers
    fraction = torch.rand(counts.shape, generator=seeded()) * 0.98 + 0.01
    offset = fraction if rounding == "dequantised" else fraction - 0.5
    data = model.encoded((counts + offset).clamp_min(0))
    monkeypatch.setattr(model.flow, "carried", lambda noise, conditions: data)
    assert torch.equal(model.sample(showers.batch.conditions, data), counts)


def test_unbiased_values_and_energies_are_left_alone(showers_of, monkeypatch) -> None:
    for detector, cells in (("cylinder", "log1p"), ("images", "bounded")):
        showers = showers_of(detector)
        config = replace(config_of("flow-matching", cells=cells), rounding="unbiased")
        model = showers.build(config).eval()
        data = model.encoded(showers.batch.showers)
        monkeypatch.setattr(model.flow, "carried", lambda noise, conditions, d=data: d)
        found = model.sample(showers.batch.conditions, data)
        torch.testing.assert_close(found, showers.batch.showers, rtol=1e-4, atol=1e-4)


def test_drawn_counts_start_from_the_mean_shower(showers_of) -> None:
    showers = showers_of("zn")
    model = showers.build(config_of("flow-matching")).eval()
    model.flow.network = Nothing(images=2)
    made = model.sample(showers.batch.conditions, showers.noise(model.noise_dim))
    mean = showers.spec.mean + 1e-4
    torch.testing.assert_close(made, mean.expand_as(made), rtol=1e-4, atol=1e-6)


def test_codes_of_a_gaussian_have_the_running_mean_and_spread(showers_of) -> None:
    showers = showers_of("cylinder")
    model = showers.build(config_of("latent-flow-matching-shortcut", cells="log1p"))
    model.match(showers.batch, seeded())
    model.eval().flow.network = Nothing()
    noise = showers.noise(3)
    codes = model.sample_latent(showers.batch.conditions, noise)
    spread = (model.norm.running_var + model.norm.eps).sqrt()
    torch.testing.assert_close(codes, model.norm.running_mean + spread * noise)
    assert float(model.norm.running_mean.abs().max()) > 0


def test_the_flow_asks_nothing_of_the_encoder(showers_of) -> None:
    showers = showers_of("zn")
    model = showers.build(config_of("latent-flow-matching", "conv"))
    before = {k: v.clone() for k, v in model.encoder.state_dict().items()}
    model.match(showers.batch, seeded()).total.backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    assert all(torch.equal(before[k], v) for k, v in model.encoder.state_dict().items())


@pytest.mark.parametrize(
    ("kind", "setting", "message"),
    [
        ("flow-matching", {"steps": 0}, "model.steps: found 0, expected above 0"),
        ("flow-matching", {"solver": "rk4"}, "expected one of euler, midpoint, heun"),
        ("flow-matching", {"coupling": "ot"}, "expected one of independent, transport"),
        ("flow-matching", {"rounding": "up"}, "expected one of unbiased, nearest"),
        ("flow-matching", {"end": 1.0}, "model.end: found 1.0, expected a time above 0"),
        ("flow-matching", {"noise_scale": 0.0}, "model.noise_scale: found 0.0"),
        ("latent-flow-matching", {"velocity": ()}, r"model.velocity: found \[\]"),
        (
            "latent-flow-matching",
            {"shortcut": True, "solver": "heun"},
            "found 'heun' with shortcuts, expected 'euler'",
        ),
    ],
)
def test_wrong_settings_are_refused(kind, setting, message, showers_of) -> None:
    with pytest.raises(ConfigError, match=message):
        MODELS[kind](**setting).build(showers_of("zn").spec)
