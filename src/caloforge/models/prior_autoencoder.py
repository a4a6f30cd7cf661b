"""Autoencoders whose codes are held close to a fixed prior: WAE, SWAE, CWAE and SAE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypedDict

from torch.nn.functional import normalize

from caloforge.models.autoencoder import Autoencoder
from caloforge.models.checks import check_choice, check_positive
from caloforge.nn import cell_head, finite, gathered, make_decoder, make_encoder, normal
from caloforge.types import Objective, ShowerBatch

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from caloforge.nn import CellHead, ShowerSpec

PRIORS = ("normal", "sphere")


class Joined(TypedDict, total=False):
    """Arguments of a distance between clouds that conditions join."""

    conditions_x: Tensor
    conditions_y: Tensor
    condition_weight: float


class CodeDistance(Protocol):
    """How far the codes of a batch are from the prior."""

    def __call__(
        self, codes: Tensor, prior: Tensor, conditions: Tensor, rng: torch.Generator
    ) -> Tensor:
        """Compare codes with draws from the prior.

        Arguments:
            codes: Of the showers of a batch, ``(batch, latent)``.
            prior: As many draws, ``(batch, latent)``.
            conditions: Of the showers, ``(batch, condition)``; those of the draws are the same.
            rng: For distances that draw directions.

        Returns:
            Scalar to be made small.
        """
        ...


class PriorAutoencoder(Autoencoder):
    r"""Autoencoder without randomness whose codes, as a cloud, are matched with a prior.

    .. math::
        -\log p(x \mid z, c) + \lambda \, D\big(\{z\}, \{\zeta\}\big), \qquad
        z = \mathrm{enc}(x, c), \quad \zeta \sim p(\zeta)

    with the first term as the cell head defines it (summed over cells, mean over the batch).
    The prior is standard normal or uniform on the unit sphere; what the distance :math:`D` is
    makes the model: MMD (WAE), sliced Wasserstein (SWAE), Cramer-Wold (CWAE), Sinkhorn
    divergence (SAE). Only the cloud is held to the prior, not each code as in a VAE, so that
    codes of different showers need not overlap. Generation decodes the prior.

    Joined with the condition, the distance asks for codes that are independent of it: needed
    for right conditional samples, as the prior is the same for every condition.

    Arguments:
        encoder: ``(batch, cell), (batch, condition) -> (batch, latent)``.
        decoder: ``(batch, latent + condition) -> (batch, cell)``.
        cells: Meaning and loss of the decoder's outputs.
        distance: Compares codes with the prior.
        weight: :math:`\lambda`.
        prior: ``"normal"``, or ``"sphere"``, on which codes are then, too.
        latent_dim: Length of a code.
        code_noise: Standard deviation of Gaussian noise on the codes in training, before they
            go back to the sphere.

    References:
        | Wasserstein Auto-Encoders (Tolstikhin et al., 2018), equation 4
        | https://arxiv.org/abs/1711.01558
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        cells: CellHead,
        distance: CodeDistance,
        *,
        weight: float,
        prior: str,
        latent_dim: int,
        code_noise: float,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.cells = cells
        self.distance = distance
        self.weight = weight
        self.sphere = prior == "sphere"
        self.noise_dim = self.latent_dim = latent_dim
        self.code_noise = code_noise

    def encode(
        self, showers: Tensor, conditions: Tensor, noise: Tensor | None = None
    ) -> Tensor:
        """Codes of showers, ``(batch, cell), (batch, condition) -> (batch, latent)``.

        ``noise``, standard normal ``(batch, latent)``, is added at the size that training adds;
        codes on the sphere go back to it.
        """
        codes = self._placed(self.encoder(self.cells.encoded(showers), conditions))
        if noise is None or self.code_noise == 0:
            return codes
        return self._placed(codes + self.code_noise * noise)

    def _placed(self, codes: Tensor) -> Tensor:
        """Codes where the prior is."""
        return normalize(codes, dim=1) if self.sphere else codes

    def sample_latent(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Draws from the prior: the noise itself, or its direction."""
        del conditions
        return self._placed(noise)

    def objective(self, batch: ShowerBatch, rng: torch.Generator) -> Objective:
        """Reconstruction error plus the distance of the codes from the prior.

        A batch of one shower has no distance.
        """

        def draws() -> Tensor:
            return normal(len(batch.showers), self.latent_dim, rng, batch.conditions)

        prior = self.sample_latent(batch.conditions, draws())
        blur = draws() if self.code_noise > 0 else None
        codes = self.encode(batch.showers, batch.conditions, blur)
        reconstruction = self.cells.loss(self.outputs(codes, batch.conditions), batch)
        if not finite(reconstruction):
            # For training to stop at; codes are no numbers.
            return Objective(reconstruction, {"reconstruction": reconstruction.detach()})
        cloud = gathered(codes)
        if len(cloud) < 2:
            # The last showers of a validation set may be a single one, which is no cloud.
            return Objective(reconstruction, {"reconstruction": reconstruction.detach()})
        distance = self.distance(cloud, gathered(prior), gathered(batch.conditions), rng)
        return Objective(
            total=reconstruction + self.weight * distance,
            terms={"reconstruction": reconstruction.detach(), "distance": distance.detach()},
        )


@dataclass(frozen=True)
class PriorAutoencoderConfig:
    """What the settings of WAE, SWAE, CWAE and SAE have in common.

    Attributes:
        latent_dim: Length of a code.
        network: ``"mlp"`` or ``"shapes"`` for any detector, ``"conv"`` for grids.
        encoder: Hidden units, or channels of the convolutions.
        decoder: Hidden units; for ``"conv"`` dense units, then channels.
        cells: ``"poisson"`` or ``"negative-binomial"`` for counts, ``"deposits"`` for energies,
            ``"log1p"`` for values.
        prior: ``"normal"``, or ``"sphere"`` for codes on the unit sphere.
        prior_weight: Weight of the distance of codes from the prior.
        condition_weight: Factor of the squared distance of scaled conditions, which join the
            codes in the distance; 0 compares codes alone.
        code_noise: Standard deviation of the noise on codes in training, in units of codes; on
            the sphere only its direction along it is left.
    """

    latent_dim: int = 10
    network: str = "mlp"
    encoder: tuple[int, ...] = (256, 256)
    decoder: tuple[int, ...] = (256, 256)
    cells: str = "poisson"
    prior: str = "normal"
    prior_weight: float = 10.0
    condition_weight: float = 0.1
    code_noise: float = 0.0

    def __post_init__(self) -> None:
        check_positive("model", latent_dim=self.latent_dim)
        check_positive(
            "model",
            zero=True,
            prior_weight=self.prior_weight,
            condition_weight=self.condition_weight,
            code_noise=self.code_noise,
        )
        check_choice("model.prior", self.prior, PRIORS)

    def distance(
        self, codes: Tensor, prior: Tensor, conditions: Tensor, rng: torch.Generator
    ) -> Tensor:
        """How codes are compared with the prior, a `CodeDistance`: what makes the model."""
        raise NotImplementedError

    def joined(self, conditions: Tensor) -> Joined:
        """Conditions that join both clouds, as arguments of a distance; none if unweighted."""
        if self.condition_weight == 0 or conditions.shape[1] == 0:
            return {}
        return {
            "conditions_x": conditions,
            "conditions_y": conditions,
            "condition_weight": self.condition_weight,
        }

    def build(self, spec: ShowerSpec) -> PriorAutoencoder:
        """Make the untrained model."""
        cells = cell_head(self.cells, spec)
        return PriorAutoencoder(
            make_encoder(
                self.network, spec, self.encoder, conditioned=True, outputs=self.latent_dim
            ),
            make_decoder(
                self.network,
                spec,
                self.decoder,
                inputs=self.latent_dim + spec.condition_dim,
                bias=cells.bias(),
                intensities=cells.intensities,
            ),
            cells,
            self.distance,
            weight=self.prior_weight,
            prior=self.prior,
            latent_dim=self.latent_dim,
            code_noise=self.code_noise,
        )
