"""Conditional normalising flow of spline couplings; needs zuko, so it is imported late."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from zuko.flows.coupling import GeneralCouplingTransform
from zuko.flows.gaussianization import ElementWiseTransform
from zuko.transforms import MonotonicAffineTransform, MonotonicRQSTransform

if TYPE_CHECKING:
    from collections.abc import Sequence

# Least and, inverted, largest slope of a layer: single precision can still invert it.
_SLOPE = 0.05
# Scaled conditions are cut off here: far outside of any range that was trained.
_FARTHEST = 30.0


class SplineTransform(MonotonicRQSTransform):
    r"""Rational-quadratic spline on [-5, 5], the identity outside, with a safe inverse.

    The inverse solves :math:`a \xi^2 + b \xi + c = 0` in the bin of :math:`y`. Its discriminant
    is positive; rounding can make it negative where a spline is steep beside flat, and zuko
    then returns NaN. Here it is cut at zero and the root stays in its bin.

    References:
        | Neural Spline Flows (Durkan et al., 2019), equations 6 to 8
        | https://arxiv.org/abs/1906.04032
    """

    def _inverse(self, y: Tensor) -> Tensor:
        number = self.searchsorted(self.vertical, y) - 1
        inside, x0, x1, y0, y1, d0, d1, slope = self.bin(number)
        height, above = y1 - y0, inside * (y - y0)
        bend = above * (d0 + d1 - 2 * slope)
        a, b, c = height * (slope - d0) + bend, height * d0 - bend, -slope * above
        root = (b.square() - 4 * a * c).clamp_min(0).sqrt()
        place = (2 * c / (-b - root)).nan_to_num(0.0, 1.0, 0.0).clamp(0, 1)
        return torch.where(inside, x0 + place * (x1 - x0), y)


class ConditionalFlow(nn.Module):
    r"""Density :math:`p(z \mid c)` that can be evaluated and drawn from.

    An affine map set by the condition brings codes to the range of the splines; couplings then
    move half of the variables, each by a spline that the other half and the condition set, in
    turns. All maps are invertible: with :math:`n = f_c(z)`

    .. math::
        \log p(z \mid c) = \log N(f_c(z); 0, 1)
            + \log \Big\lvert \det \frac{\partial f_c}{\partial z} \Big\rvert

    and a draw is :math:`f_c^{-1}(n)` of normal noise: one small network call a coupling. Far
    out the splines are the identity, so that a draw is finite for any condition, and codes of
    any size have a density. It is close to the standard normal before training. Computed in
    float32, in mixed precision, too.

    Arguments:
        latent_dim: Length of a code.
        condition_dim: Length of the condition vector, or 0.
        couplings: Number of couplings.
        hidden: Units of the hidden layers of each coupling's network.
        bins: Bins of a spline.

    References:
        | Neural Spline Flows (Durkan et al., 2019), https://arxiv.org/abs/1906.04032
        | Zuko: Normalizing flows in PyTorch (Rozet et al., 2022)
    """

    def __init__(
        self,
        latent_dim: int,
        condition_dim: int,
        *,
        couplings: int,
        hidden: Sequence[int],
        bins: int,
    ) -> None:
        super().__init__()
        networks = {"hidden_features": list(hidden), "activation": nn.SiLU}
        affine = ElementWiseTransform(
            latent_dim,
            condition_dim,
            univariate=partial(MonotonicAffineTransform, slope=_SLOPE),
            **networks,
        )
        splines = [
            GeneralCouplingTransform(
                latent_dim,
                condition_dim,
                mask=torch.arange(latent_dim) % 2 == number % 2,
                univariate=partial(SplineTransform, slope=_SLOPE),
                shapes=((bins,), (bins,), (bins - 1,)),
                **networks,
            )
            for number in range(couplings)
        ]
        self.layers = nn.ModuleList((affine, *splines))
        self._start_near_the_identity()

    @torch.no_grad()
    def _start_near_the_identity(self) -> None:
        layer: Any  # zuko has no types
        for layer in self.layers:
            # Without a condition the affine map has numbers in place of a network.
            numbers = layer.hyper[-1] if hasattr(layer, "hyper") else layer.phi
            for values in numbers.parameters():
                values.mul_(0.1)

    def log_prob(self, codes: Tensor, conditions: Tensor) -> Tensor:
        """Logarithm of the density, ``(batch, latent), (batch, condition) -> (batch,)``."""
        with torch.autocast(codes.device.type, enabled=False):
            noise, context = codes.float(), _context(conditions)
            log_det = noise.new_zeros(len(noise))
            for layer in self.layers:
                noise, stretch = layer(context).call_and_ladj(noise)
                log_det = log_det + stretch
            log_normal = noise.square().sum(dim=1) + noise.shape[1] * math.log(2 * math.pi)
            return log_det - log_normal / 2

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Codes of normal noise, ``(batch, latent), (batch, condition) -> (batch, latent)``."""
        with torch.autocast(noise.device.type, enabled=False):
            codes, context = noise.float(), _context(conditions)
            for layer in reversed(self.layers):
                codes = layer(context).inv(codes)
            return codes


def _context(conditions: Tensor) -> Tensor | None:
    """What the networks see of the conditions, ``(batch, condition)``; ``None`` for none."""
    if conditions.shape[1] == 0:
        return None
    return conditions.float().clamp(-_FARTHEST, _FARTHEST)
