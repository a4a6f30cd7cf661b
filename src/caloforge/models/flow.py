"""A flow from noise to data along straight paths: what the flow matching models share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from caloforge.losses.coupling import coupled
from caloforge.nn import gathered, integrate, normal, own, uniform

if TYPE_CHECKING:
    from caloforge.models.flow_settings import FlowPlan

# Steps of the finest shortcuts, a power of 2: their halves are plain velocities.
FINEST = 32


class PathPoint(NamedTuple):
    """Places on paths from noise to data.

    Attributes:
        x: :math:`x_t = (1 - t) x_0 + t x_1`, ``(batch, dim)``.
        times: t, ``(batch, 1)``.
        target: Velocity along the path, :math:`x_1 - x_0`, ``(batch, dim)``.
    """

    x: Tensor
    times: Tensor
    target: Tensor


class Flow(nn.Module):
    r"""Velocity field that carries standard normal noise to data, given the condition.

    The field is what independent Gaussian coordinates of mean 0 and spread :math:`s` would
    need, plus a network :math:`n`:

    .. math::
        v(x, t, c) = \frac{t s^2 - (1 - t)}{(1 - t)^2 + t^2 s^2} \, x + n(x, t, c)

    It is trained on :math:`E \lVert v(x_t, t, c) - (x_1 - x_0) \rVert^2` with
    :math:`x_t = (1 - t) x_0 + t x_1`, :math:`x_0 \sim N(0, 1)` and data :math:`x_1`; its
    minimum is the field whose flow carries the noise to the data of the condition.

    With *shortcuts* the network is told the length :math:`d` of a step, too, and gives the mean
    velocity over the step: one step of :math:`d` is held to two of :math:`d / 2`, so that one
    or two steps do instead of many (see `shortcut_error`).

    Arguments:
        network: ``(batch, dim), (batch, times), (batch, condition) -> (batch, k dim)``; the
            first ``dim`` are :math:`n`. Times are t, and with shortcuts the step's length.
        spread: :math:`s`, ``(dim,)``, above 0: about the spread of the data.
        plan: How paths are drawn and followed.

    References:
        | Flow Matching for Generative Modeling (Lipman et al., 2023), equations 9 and 23
        | https://arxiv.org/abs/2210.02747
        | One Step Diffusion via Shortcut Models (Frans et al., 2025), equations 4 and 5
        | https://arxiv.org/abs/2410.12557
    """

    def __init__(self, network: nn.Module, spread: Tensor, plan: FlowPlan) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("spread", spread.clone())
        self.plan = plan

    def forward(
        self, x: Tensor, times: Tensor, lengths: Tensor, conditions: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Velocities ``(batch, dim)``, and what else the network gives.

        Arguments:
            x: Places, ``(batch, dim)``.
            times: ``(batch, 1)``.
            lengths: Of the steps that begin there, ``(batch, 1)``; 0 for the velocity itself,
                and always 0 without shortcuts.
            conditions: ``(batch, condition)``.
        """
        told = torch.cat((times, lengths), dim=1) if self.plan.shortcut else times
        outputs = self.network(x, told, conditions)
        dim = x.shape[1]
        gaussian = gaussian_velocity(x, times, lengths, self.get_buffer("spread"))
        return gaussian + outputs[:, :dim], outputs[:, dim:]

    def point(self, data: Tensor, conditions: Tensor, rng: torch.Generator) -> PathPoint:
        """Draw a place on a path to each of the data, ``(batch, dim)``."""
        data = data.to(conditions.dtype)  # mixed precision must not reach times and noise
        n, dim = data.shape
        noise = normal(n, dim, rng, data)
        if self.plan.condition_weight is not None:
            pairs = coupled(
                gathered(noise),
                gathered(data),
                gathered(conditions),
                condition_weight=self.plan.condition_weight,
            )
            noise = own(gathered(noise)[pairs])
        latest = self.plan.latest
        times = uniform(n, 1, rng, data) * (latest / (1 - self.plan.last_share))
        times = times.clamp(max=latest)
        return PathPoint((1 - times) * noise + times * data, times, data - noise)

    def shortcut_error(self, data: Tensor, conditions: Tensor, rng: torch.Generator) -> Tensor:
        r"""Squared distance of long steps from two of half their length, without a gradient.

        .. math::
            E \Big\lVert v(x_t, t, 2d) - \tfrac{1}{2} \big(v(x_t, t, d)
                + v(x_t + d\, v(x_t, t, d), t + d, d)\big) \Big\rVert^2

        summed over dimensions, mean over the batch, for data ``(batch, dim)``; lengths
        :math:`2d` are 1, 1/2, ... 2 / `FINEST`, and times multiples of them.
        """
        data = data.to(conditions.dtype)
        n, dim = data.shape
        noise, draws = normal(n, dim, rng, data), uniform(n, 2, rng, data)
        count = torch.exp2((draws[:, :1] * math.log2(FINEST)).floor())  # long steps in all
        times = (draws[:, 1:] * count).floor() / count
        half = 0.5 / count
        x = (1 - times) * noise + times * data
        with torch.no_grad():
            told = torch.where(half > 1 / FINEST, half, 0.0)
            first = self(x, times, told, conditions)[0]
            second = self(x + half * first, times + half, told, conditions)[0]
        error: Tensor = self(x, times, 2 * half, conditions)[0] - (first + second) / 2
        return error.square().sum(dim=1).mean()

    def carried(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Follow the flow from normal noise ``(batch, dim)`` to its end."""
        plan = self.plan
        length = plan.end / plan.steps if plan.shortcut else 0.0

        def velocity(x: Tensor, t: float) -> Tensor:
            times, lengths = (x.new_full((len(x), 1), value) for value in (t, length))
            slope: Tensor = self(x, times, lengths, conditions)[0]
            return slope

        return integrate(velocity, noise, steps=plan.steps, solver=plan.solver, end=plan.end)


def gaussian_velocity(x: Tensor, times: Tensor, lengths: Tensor, spread: Tensor) -> Tensor:
    r"""Mean velocity, over a step, of the flow that carries N(0, 1) to :math:`N(0, s^2)`.

    The flow scales each coordinate by :math:`\sigma(t) = \sqrt{(1 - t)^2 + t^2 s^2}`, so that

    .. math::
        v(x, t, d) = \frac{1}{d} \Big(\frac{\sigma(t + d)}{\sigma(t)} - 1\Big) x, \qquad
        v(x, t, 0) = \frac{t s^2 - (1 - t)}{\sigma(t)^2} x

    computed without the difference of near numbers.

    Arguments:
        x: Places, ``(batch, dim)``.
        times: From 0 to 1, ``(batch, 1)``.
        lengths: Of the steps, ``(batch, 1)``.
        spread: :math:`s` above 0, ``(dim,)``.
    """
    variance = spread.square()

    def square(t: Tensor) -> Tensor:
        return (1 - t).square() + t.square() * variance

    now, then = square(times), square(times + lengths)
    slope = (2 * times + lengths) * variance - (2 - 2 * times - lengths)
    return slope / (now + (now * then).sqrt()) * x
