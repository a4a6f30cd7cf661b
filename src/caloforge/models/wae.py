"""Wasserstein autoencoder with maximum mean discrepancy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caloforge.losses.mmd import mmd
from caloforge.models.checks import check_positive
from caloforge.models.prior_autoencoder import PriorAutoencoderConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class WAEConfig(PriorAutoencoderConfig):
    """Settings of a conditional WAE: codes match the prior in MMD.

    The kernels are inverse multiquadratic at seven scales, see `caloforge.losses.mmd.mmd`.

    Attributes:
        bandwidth: Of the kernels, in standard deviations of the prior: 1 along each axis if it
            is normal, and one over the root of ``latent_dim`` on the sphere.

    References:
        | Wasserstein Auto-Encoders (Tolstikhin et al., 2018), https://arxiv.org/abs/1711.01558
    """

    bandwidth: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("model", bandwidth=self.bandwidth)

    def distance(
        self, codes: Tensor, prior: Tensor, conditions: Tensor, rng: torch.Generator
    ) -> Tensor:
        """Squared MMD."""
        del rng
        # Two points of the unit sphere are 2 apart in the mean square, whatever its dimension.
        deviation = 1.0 if self.prior == "normal" else self.latent_dim**-0.5
        return mmd(
            codes, prior, bandwidth=self.bandwidth * deviation, **self.joined(conditions)
        )
