"""Sliced-Wasserstein autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caloforge.losses.sliced import sliced_wasserstein
from caloforge.models.checks import check_positive
from caloforge.models.prior_autoencoder import PriorAutoencoderConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class SWAEConfig(PriorAutoencoderConfig):
    """Settings of a conditional SWAE: codes match the prior along random directions.

    Attributes:
        projections: Number of directions, drawn anew at every step.

    References:
        | Sliced-Wasserstein Autoencoder (Kolouri et al., 2018), https://arxiv.org/abs/1804.01947
    """

    # A direction sees a share of the squared distance: one over the number of dimensions.
    prior_weight: float = 100.0
    projections: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("model", projections=self.projections)

    def distance(
        self, codes: Tensor, prior: Tensor, conditions: Tensor, rng: torch.Generator
    ) -> Tensor:
        """Squared sliced Wasserstein distance."""
        return sliced_wasserstein(
            codes, prior, rng, n_projections=self.projections, **self.joined(conditions)
        )
