"""Sliced Wasserstein distance between two point clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..errors import DataFormatError
from .clouds import check_clouds, join_conditions

if TYPE_CHECKING:
    from torch import Tensor


def random_directions(n: int, dim: int, rng: torch.Generator) -> Tensor:
    """Draw directions uniformly on the unit sphere, ``(n, dim)``, on the generator's device."""
    normal = torch.randn(n, dim, generator=rng, device=rng.device)
    directions: Tensor = normal / normal.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return directions


def sliced_wasserstein(
    x: Tensor,
    y: Tensor,
    rng: torch.Generator,
    *,
    n_projections: int = 50,
    conditions_x: Tensor | None = None,
    conditions_y: Tensor | None = None,
    condition_weight: float = 1.0,
) -> Tensor:
    r"""Mean squared 2-Wasserstein distance of random one-dimensional projections.

    .. math::
        \frac{1}{L} \sum_{l} \frac{1}{n} \sum_i
            \big(\langle \theta_l, x \rangle_{(i)} - \langle \theta_l, y \rangle_{(i)}\big)^2

    where :math:`(i)` counts the projected points in increasing order. In expectation over
    directions it is the squared sliced Wasserstein distance; that of two clouds of one
    distribution is above 0 and falls as they grow. Its gradient takes the orders as fixed.

    Arguments:
        x: First cloud, ``(n, d)``.
        y: Second cloud, ``(n, d)``: as many points.
        rng: Draws the directions.
        n_projections: Number of directions :math:`L`.
        conditions_x: Conditions of the first cloud, ``(n, k)``; ``None`` for none.
        conditions_y: Conditions of the second cloud, ``(n, k)``; ``None`` with the other.
        condition_weight: Factor of the squared distance of conditions, which join the points.

    Returns:
        Scalar, in squared units of the points, not negative.

    Raises:
        DataFormatError: If clouds or conditions do not fit each other, or are not finite.
        ConfigError: If the condition weight is out of range.

    References:
        | Sliced-Wasserstein Autoencoder (Kolouri et al., 2018), equation 13
        | https://arxiv.org/abs/1804.01947
    """
    check_clouds("sliced_wasserstein", x, y)
    if len(x) != len(y):
        msg = (
            f"sliced_wasserstein: found {len(x)} and {len(y)} points, expected as many; "
            "draw as many from the prior as there are codes"
        )
        raise DataFormatError(msg)
    x, y = join_conditions(
        "sliced_wasserstein", x, y, conditions_x, conditions_y, condition_weight
    )
    directions = random_directions(n_projections, x.shape[1], rng).to(x)
    projected_x = (x @ directions.T).sort(dim=0).values
    projected_y = (y @ directions.T).sort(dim=0).values
    return (projected_x - projected_y).square().mean()
