"""Sinkhorn autoencoder with a fixed prior, normal or hyperspherical."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caloforge.losses.sinkhorn import sinkhorn_divergence
from caloforge.models.checks import check_positive
from caloforge.models.prior_autoencoder import PriorAutoencoderConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class SAEConfig(PriorAutoencoderConfig):
    """Settings of a conditional SAE: codes match the prior in Sinkhorn divergence.

    With ``prior = "sphere"`` it is the SAE (H) of the paper.

    Attributes:
        epsilon: Entropic blur, in squared units of codes.
        sinkhorn_iterations: 0 iterates to convergence.

    References:
        | Sinkhorn AutoEncoders (Patrini et al., 2019), https://arxiv.org/abs/1810.01118
    """

    epsilon: float = 0.5
    sinkhorn_iterations: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("model", epsilon=self.epsilon)
        check_positive("model", zero=True, sinkhorn_iterations=self.sinkhorn_iterations)

    def distance(
        self, codes: Tensor, prior: Tensor, conditions: Tensor, rng: torch.Generator
    ) -> Tensor:
        """Debiased Sinkhorn divergence."""
        del rng
        return sinkhorn_divergence(
            codes,
            prior,
            epsilon=self.epsilon,
            tolerance=1e-2,
            n_iterations=self.sinkhorn_iterations or None,
            **self.joined(conditions),
        )
