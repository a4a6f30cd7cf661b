"""Solvers against equations whose solution is known."""

from __future__ import annotations

import math

import pytest
import torch

from caloforge.nn import integrate

ONE = torch.ones(1, dtype=torch.float64)


def error(solver: str, steps: int) -> float:
    """Of dx/dt = (2 t + cos t) x from 1, at t = 1: the solution is exp(t^2 + sin t)."""
    found = integrate(
        lambda x, t: (2 * t + math.cos(t)) * x, ONE, steps=steps, solver=solver, end=1.0
    )
    return abs(float(found) - math.exp(1 + math.sin(1)))


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2)])
def test_halved_steps_divide_the_error_by_two_to_the_order(solver, order) -> None:
    ratio = error(solver, 64) / error(solver, 128)
    assert math.log2(ratio) == pytest.approx(order, abs=0.1)


def test_euler_steps_of_a_constant_rate_are_compound_interest() -> None:
    found = integrate(lambda x, _: 0.5 * x, ONE, steps=4, solver="euler", end=2.0)
    assert float(found) == pytest.approx(1.25**4, rel=1e-14)


@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun"])
def test_a_constant_velocity_is_followed_exactly(solver) -> None:
    found = integrate(lambda x, _: torch.full_like(x, 3), ONE, steps=5, solver=solver, end=0.5)
    assert float(found) == pytest.approx(2.5, rel=1e-14)


@pytest.mark.parametrize(
    ("solver", "times"), [("euler", [0, 0.4]), ("midpoint", [0, 0.2, 0.4, 0.6])]
)
def test_these_never_ask_at_the_end(solver, times) -> None:
    asked: list[float] = []

    def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
        asked.append(t)
        return x

    integrate(velocity, ONE, steps=2, solver=solver, end=0.8)
    assert asked == pytest.approx(times)
