"""Ordinary differential equations in a fixed number of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

SOLVERS = ("euler", "midpoint", "heun")


def integrate(
    velocity: Callable[[Tensor, float], Tensor],
    x: Tensor,
    *,
    steps: int,
    solver: str,
    end: float = 1.0,
) -> Tensor:
    r"""Follow :math:`\dot x = v(x, t)` from t = 0 to `end` in equal steps.

    With a step :math:`h` the error at the end falls as :math:`h` for ``"euler"``, which asks
    for the velocity once a step, and as :math:`h^2` for ``"midpoint"`` and ``"heun"``, which
    ask twice. Heun asks at `end` itself, the two others never do.

    Arguments:
        velocity: :math:`v(x, t)`, of the shape of ``x``.
        x: Where to start.
        steps: Number of steps, 1 or more.
        solver: One of `SOLVERS`.
        end: Last time.
    """
    h = end / steps
    for k in range(steps):
        t = k * h
        slope = velocity(x, t)
        if solver == "midpoint":
            slope = velocity(x + h / 2 * slope, t + h / 2)
        elif solver == "heun":
            slope = (slope + velocity(x + h * slope, t + h)) / 2
        x = x + h * slope
    return x
