"""Conditional variational autoencoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caloforge.losses.divergence import gaussian_kl
from caloforge.models.autoencoder import Autoencoder
from caloforge.models.checks import check_positive
from caloforge.nn import cell_head, make_decoder, make_encoder, normal
from caloforge.types import Objective, ShowerBatch

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from caloforge.nn import CellHead, ShowerSpec

# Log variances outside are of no use, and their exponentials overflow.
_LOG_VARIANCE = (-12.0, 6.0)


class VariationalAutoencoder(Autoencoder):
    r"""Autoencoder with Gaussian codes that are held close to the standard normal.

    The encoder maps a shower and its condition :math:`c` to mean and variance of a Gaussian
    code; the decoder maps a code and the condition back. Trained on

    .. math::
        -\log p(x \mid z, c) + \beta \, \mathrm{KL}\big(q(z \mid x, c) \,\|\, N(0, 1)\big)

    with the first term as the cell head defines it (summed over cells) and the second summed
    over latent dimensions. Generation decodes standard normal noise.

    Arguments:
        encoder: ``(batch, cell), (batch, condition) -> (batch, 2 latent)``.
        decoder: ``(batch, latent + condition) -> (batch, cell)``.
        cells: Meaning and loss of the decoder's outputs.
        latent_dim: Length of a code.
        kl_weight: :math:`\beta`.

    References:
        | Learning Structured Output Representation using Deep Conditional Generative Models
        | (Sohn et al., 2015), equation 4
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        cells: CellHead,
        *,
        latent_dim: int,
        kl_weight: float,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.cells = cells
        self.noise_dim = self.latent_dim = latent_dim
        self.kl_weight = kl_weight

    def encode(
        self, showers: Tensor, conditions: Tensor, noise: Tensor | None = None
    ) -> Tensor:
        """Mean codes ``(batch, latent)``; with normal ``noise`` draws from the posterior."""
        mean, log_variance = self.posterior(showers, conditions)
        return mean if noise is None else mean + noise * (log_variance / 2).exp()

    def sample_latent(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """The noise itself: the prior is standard normal."""
        del conditions
        return noise

    def posterior(self, showers: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of the codes, ``(batch, latent)`` each."""
        encoded = self.encoder(self.cells.encoded(showers), conditions)
        mean, log_variance = encoded.chunk(2, dim=1)
        return mean, log_variance.clamp(*_LOG_VARIANCE)

    def divergence(
        self, codes: Tensor, mean: Tensor, log_variance: Tensor, conditions: Tensor
    ) -> Tensor:
        """Divergence from the posteriors to the prior, mean over the batch, in nats.

        Arguments:
            codes: One draw from each posterior, ``(batch, latent)``.
            mean: Of the posteriors, ``(batch, latent)``.
            log_variance: Of the posteriors, ``(batch, latent)``.
            conditions: ``(batch, condition)``.
        """
        del codes, conditions
        return gaussian_kl(mean, log_variance)

    def objective(self, batch: ShowerBatch, rng: torch.Generator) -> Objective:
        """Reconstruction error plus divergence of the codes."""
        mean, log_variance = self.posterior(batch.showers, batch.conditions)
        noise = normal(len(mean), self.latent_dim, rng, mean)
        codes = mean + noise * (log_variance / 2).exp()
        reconstruction = self.cells.loss(self.outputs(codes, batch.conditions), batch)
        divergence = self.divergence(codes, mean, log_variance, batch.conditions)
        return Objective(
            total=reconstruction + self.kl_weight * divergence,
            terms={"reconstruction": reconstruction.detach(), "kl": divergence.detach()},
        )


@dataclass(frozen=True)
class VAEConfig:
    """Settings of a conditional VAE.

    Attributes:
        latent_dim: Length of a code.
        network: ``"mlp"`` or ``"shapes"`` for any detector, ``"conv"`` for grids.
        encoder: Hidden units, or channels of the convolutions.
        decoder: Hidden units; for ``"conv"`` dense units, then channels.
        cells: ``"poisson"`` or ``"negative-binomial"`` for counts, ``"deposits"`` for energies,
            ``"log1p"`` for values.
        kl_weight: Weight of the divergence.
    """

    latent_dim: int = 10
    network: str = "mlp"
    encoder: tuple[int, ...] = (256, 256)
    decoder: tuple[int, ...] = (256, 256)
    cells: str = "poisson"
    kl_weight: float = 1.0

    def __post_init__(self) -> None:
        check_positive("model", latent_dim=self.latent_dim)
        check_positive("model", zero=True, kl_weight=self.kl_weight)

    def parts(self, spec: ShowerSpec) -> tuple[nn.Module, nn.Module, CellHead]:
        """Make encoder, decoder and cell head."""
        cells = cell_head(self.cells, spec)
        encoder = make_encoder(
            self.network, spec, self.encoder, conditioned=True, outputs=2 * self.latent_dim
        )
        decoder = make_decoder(
            self.network,
            spec,
            self.decoder,
            inputs=self.latent_dim + spec.condition_dim,
            bias=cells.bias(),
            intensities=cells.intensities,
        )
        return encoder, decoder, cells

    def build(self, spec: ShowerSpec) -> VariationalAutoencoder:
        """Make the untrained model."""
        return VariationalAutoencoder(
            *self.parts(spec), latent_dim=self.latent_dim, kl_weight=self.kl_weight
        )
