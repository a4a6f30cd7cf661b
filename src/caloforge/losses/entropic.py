"""Entropic optimal transport between two point clouds: its value and its plan."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from .clouds import check_clouds, check_positive
from .scaling import solve


class EntropicTransport(NamedTuple):
    """Result of :func:`entropic_ot`.

    Attributes:
        value: Entropic cost, scalar, differentiable in both clouds.
        plan: Coupling :math:`R`, ``(n, m)``, of total mass one; not differentiable.
    """

    value: Tensor
    plan: Tensor


def entropic_ot(
    x: Tensor,
    y: Tensor,
    *,
    epsilon: float,
    tolerance: float = 1e-4,
    annealing: bool = True,
    max_iterations: int = 10_000,
) -> EntropicTransport:
    r"""Entropic ("soft") Wasserstein cost between two equally weighted point clouds.

    .. math::
        \mathrm{OT}_\varepsilon(x, y) = \min_{R \ge 0}
            \sum_{ij} R_{ij} \lVert x_i - y_j \rVert^2
            + \varepsilon \sum_{ij} R_{ij} \log(n m R_{ij}), \quad
            \sum_j R_{ij} = \tfrac{1}{n}, \ \sum_i R_{ij} = \tfrac{1}{m}

    The entropy is relative to the product of the marginals, so that the value lies between the
    exact cost :math:`W_2^2` and the mean cost. With the plain entropy
    :math:`\varepsilon \sum R \log R` it would be less by the constant
    :math:`\varepsilon \log(nm)`; plan and gradient would be the same. It is *not* zero for
    equal clouds: see :func:`~caloforge.losses.sinkhorn.sinkhorn_divergence`.

    Accuracy: rows of the plan are exact up to rounding, columns have a mean relative error
    below ``tolerance``. The value is a dual one: never above the true value, but for rounding,
    and second order in that error.

    Arguments:
        x: First cloud, ``(n, d)``, float32 or float64.
        y: Second cloud, ``(m, d)``; same dtype and device as ``x``.
        epsilon: Entropic blur, in squared units of ``x``. Must be positive.
        tolerance: Stop at this mean relative error of the column sums.
        annealing: Approach ``epsilon`` from above.
        max_iterations: Most iterations at ``epsilon``.

    Returns:
        Value in squared units of ``x``, with envelope gradient; and plan.

    Raises:
        DataFormatError: If the clouds do not fit each other, or are not finite.
        ConfigError: If an option is not positive.

    Warns:
        ConvergenceWarning: If ``max_iterations`` end above ``tolerance``.

    References:
        | Sinkhorn Distances: Lightspeed Computation of Optimal Transport (Cuturi, 2013)
        | https://arxiv.org/abs/1306.0895

    Example:
        >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [1.0]])
        >>> entropic_ot(x, y, epsilon=0.1).plan.round(decimals=3)
        tensor([[0.5000, 0.0000],
                [0.0000, 0.5000]])
    """
    where = "entropic_ot"
    check_clouds(where, x, y)
    check_positive(where, "epsilon", epsilon, "try 1 % to 10 % of the mean squared distance")
    check_positive(where, "tolerance", tolerance, "try 1e-4")
    check_positive(where, "max_iterations", max_iterations, "try 10000")
    result = _Entropic.apply(  # type: ignore[no-untyped-call]
        x, y, epsilon, tolerance, annealing, max_iterations
    )
    value, plan = cast("tuple[Tensor, Tensor]", result)
    return EntropicTransport(value, plan)


class _Entropic(Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        y: Tensor,
        epsilon: float,
        tolerance: float,
        annealing: bool,
        max_iterations: int,
    ) -> tuple[Tensor, Tensor]:
        centre_x, centre_y = x.mean(dim=0), y.mean(dim=0)
        with torch.autocast(device_type=x.device.type, enabled=False):
            solved = solve(
                x - centre_x,
                y - centre_y,
                epsilon=epsilon,
                tolerance=tolerance,
                max_iterations=max_iterations,
                annealing=annealing,
                where="entropic_ot",
            )
            plan = solved.kernel.mul_((solved.u / (len(x) * len(y)))[:, None]).mul_(solved.v)
            value = solved.f.mean() + solved.g.mean() + (centre_x - centre_y).square().sum()
        ctx.save_for_backward(x, y, plan)
        ctx.mark_non_differentiable(plan)
        return value, plan

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,  # noqa: ANN401
        upstream: Tensor,
        _plan: Tensor,
    ) -> tuple[Tensor, Tensor, None, None, None, None]:
        x, y, plan = ctx.saved_tensors
        grad_x = 2 * (plan.sum(dim=1)[:, None] * x - plan @ y)
        grad_y = 2 * (plan.sum(dim=0)[:, None] * y - plan.T @ x)
        return upstream * grad_x, upstream * grad_y, None, None, None, None
