"""Kullback-Leibler divergence of Gaussians."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""Divergence of diagonal Gaussians from the standard normal distribution.

    .. math::
        \tfrac{1}{2} \sum_d \big(\mu_d^2 + \sigma_d^2 - 1 - \log \sigma_d^2\big)

    Summed over latent dimensions, mean over the batch; in nats.

    Arguments:
        mean: :math:`\mu`, ``(batch, latent)``.
        log_variance: :math:`\log \sigma^2`, ``(batch, latent)``.

    Returns:
        Scalar, not negative; zero where mean and log variance are zero.

    References:
        | Auto-Encoding Variational Bayes (Kingma and Welling, 2013), appendix B
        | https://arxiv.org/abs/1312.6114
    """
    terms = mean.square() + log_variance.exp() - 1 - log_variance
    return terms.sum(dim=1).mean() / 2
