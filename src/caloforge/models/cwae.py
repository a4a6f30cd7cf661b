"""Cramer-Wold autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caloforge.errors import ConfigError
from caloforge.losses.cramer_wold import cramer_wold, cramer_wold_to_normal
from caloforge.models.prior_autoencoder import PriorAutoencoderConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Keeps the logarithm finite; distances of a thousand points are above it.
_TINY = 1e-6


@dataclass(frozen=True)
class CWAEConfig(PriorAutoencoderConfig):
    r"""Settings of a conditional CWAE: codes match the prior in Cramer-Wold distance.

    As published, the logarithm of the squared distance is added, :math:`\lambda \log d^2`. With
    ``condition_weight`` of 0 the prior is not drawn: the distance from it has a closed form.
    Joined with conditions it is that between two clouds.

    References:
        | Cramer-Wold Auto-Encoder (Knop et al., 2020), https://arxiv.org/abs/1805.09235
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prior != "normal" or self.latent_dim < 2:
            msg = (
                f"model: found prior '{self.prior}' of {self.latent_dim} dimensions, expected "
                "'normal' of 2 or more; the Cramer-Wold distance is defined for it"
            )
            raise ConfigError(msg)

    def distance(
        self, codes: Tensor, prior: Tensor, conditions: Tensor, rng: torch.Generator
    ) -> Tensor:
        """Logarithm of the squared Cramer-Wold distance."""
        del rng
        joined = self.joined(conditions)
        squared = (
            cramer_wold(codes, prior, **joined) if joined else cramer_wold_to_normal(codes)
        )
        return squared.clamp_min(0).add(_TINY).log()
