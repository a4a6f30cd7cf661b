"""How much showers of one condition differ, and losses that ask for it or leave it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

_TINY = 1e-5


def diversity_penalty(
    features: tuple[Tensor, Tensor], noise: tuple[Tensor, Tensor], spread: Tensor
) -> Tensor:
    r"""Selective diversity term of SDI-GAN: small where other noise gives other showers.

    .. math::
        \frac{1}{n} \sum_i \frac{\sigma_i}{r_i + 10^{-5}}, \qquad
        r = \frac{\mathrm{mean} |f_1 - f_2|}{\mathrm{mean} |z_1 - z_2|}

    with means over the entries of features :math:`f` and of noise :math:`z`, shower by shower.
    Where full simulation hardly fluctuates, :math:`\sigma` is small and so is the demand.

    Arguments:
        features: Of two showers generated for each condition, each ``(batch, feature)``.
        noise: Of which they were generated, each ``(batch, noise)``.
        spread: :math:`\sigma`, not negative, ``(batch,)``.

    Returns:
        Scalar, in units of the spread over those of features.

    Raises:
        ValueError: If the shapes do not fit.

    References:
        | Selectively increasing the diversity of GAN-generated samples (Dubinski et al., 2022)
        | https://arxiv.org/abs/2207.01561
    """
    (f1, f2), (z1, z2) = features, noise
    if f1.shape != f2.shape or z1.shape != z2.shape or not len(f1) == len(z1) == len(spread):
        found = ", ".join(str(tuple(part.shape)) for part in (f1, f2, z1, z2, spread))
        msg = (
            f"diversity_penalty: found {found}, expected twice (batch, feature), twice "
            "(batch, noise) and (batch,)"
        )
        raise ValueError(msg)
    ratio = (f1 - f2).abs().mean(dim=1) / (z1 - z2).abs().mean(dim=1)
    return (spread / (ratio + _TINY)).mean()


def mean_mismatch(observed: Tensor, first: Tensor, second: Tensor) -> Tensor:
    r"""Squared difference of means, from two independent draws for each observation.

    .. math::
        \sum_k (y_{1k} - x_k) (y_{2k} - x_k)

    and the mean over the batch. In expectation, condition by condition, this is
    :math:`\lVert E y - E x \rVert^2 + \mathrm{tr\, Var}\, x`: it does not change with the
    spread of the draws. :math:`\lVert y - x \rVert^2` and :math:`|y - x|` do: they are
    smallest for draws without any spread, that is for a regression.

    Arguments:
        observed: One point a condition, ``(batch, d)``.
        first: A draw for each condition, ``(batch, d)``.
        second: Another one, independent of the first, ``(batch, d)``.

    Returns:
        Scalar, in squared units of the points. A single estimate may be negative.

    Raises:
        ValueError: If the shapes differ.
    """
    if not observed.shape == first.shape == second.shape or observed.ndim != 2:
        found = ", ".join(str(tuple(part.shape)) for part in (observed, first, second))
        msg = f"mean_mismatch: found {found}, expected three times (batch, d)"
        raise ValueError(msg)
    return ((first - observed) * (second - observed)).sum(dim=1).mean()


class RepeatVariance(NamedTuple):
    """What repeated showers say of the variance within a condition.

    Attributes:
        variance: Unbiased estimates, mean over the values, ``(batch,)``; 0 without repeats.
        repeated: Whether a row has repeats, ``(batch,)``.
    """

    variance: Tensor
    repeated: Tensor


def repeat_variance(values: Tensor, conditions: Tensor) -> RepeatVariance:
    r"""Variance among rows of equal conditions.

    A row of :math:`m` repeats gets :math:`\frac{m}{m - 1} (x - \bar x)^2` averaged over the
    values: for a pair half the squared difference. The average over the repeats is the
    variance's unbiased estimate.

    Arguments:
        values: What fluctuates, ``(batch, d)``.
        conditions: Rows that are equal bit by bit are repeats, ``(batch, condition)``; without
            columns all are.
    """
    n = len(values)
    group = torch.zeros(n, dtype=torch.long, device=values.device)
    if conditions.shape[1]:
        group = torch.unique(conditions, dim=0, return_inverse=True)[1]
    size = values.new_zeros(n).index_add_(0, group, values.new_ones(n))[group]
    sums = torch.zeros_like(values).index_add_(0, group, values)[group]
    squared = (values - sums / size[:, None]).square().mean(dim=1)
    repeated = size > 1
    return RepeatVariance(squared * size / (size - 1).clamp_min(1), repeated)


def variance_score(log_variance: Tensor, squared: Tensor) -> Tensor:
    r"""Score of predicted variances against squared deviations, ``(batch,)`` each.

    .. math::
        \log v + t / v

    Mean over the batch; in expectation smallest where :math:`v` is the mean of :math:`t`
    within each condition (twice the negative Gaussian log likelihood, up to a constant).
    """
    return (log_variance + squared * (-log_variance).exp()).mean()
