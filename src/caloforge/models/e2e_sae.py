"""End-to-end Sinkhorn autoencoder with noise generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from caloforge.errors import ConfigError
from caloforge.losses.energy import energy_score
from caloforge.losses.sinkhorn import sinkhorn_divergence
from caloforge.models.autoencoder import Autoencoder
from caloforge.models.checks import check_choice, check_positive
from caloforge.nn import (
    NoiseGenerator,
    RegionSums,
    cell_head,
    check_widths,
    finite,
    gathered,
    make_decoder,
    make_encoder,
    normal,
)
from caloforge.nn.shapes import ShapeDecoder
from caloforge.types import DenseChain, Objective, ShowerBatch

if TYPE_CHECKING:
    from caloforge.nn import CellHead, ShowerSpec

CODES = ("free", "relu", "normalised")
NOISES = ("normal", "uniform")


@dataclass(frozen=True)
class PriorMatch:
    r"""How encoded and generated codes are brought together.

    Attributes:
        sinkhorn_weight: :math:`\lambda` of the Sinkhorn divergence.
        epsilon: Entropic blur, in squared units of codes.
        condition_weight: Factor of the squared distance of scaled conditions in the cost.
        n_iterations: Sinkhorn iterations; 0 iterates to convergence.
        energy_weight: Weight of the energy score; 0 leaves it out.
        region_weight: Weight of the energy score of region sums; 0 leaves it out.
        draws: Noise draws a shower for the energy scores.
        code_noise: Standard deviation of Gaussian noise on the codes in training.
    """

    sinkhorn_weight: float
    epsilon: float
    condition_weight: float
    n_iterations: int
    energy_weight: float
    region_weight: float
    draws: int
    code_noise: float


class E2ESinkhornAutoencoder(Autoencoder):
    r"""Autoencoder whose latent prior is learned, conditionally, by a noise generator.

    The encoder maps a shower to a code :math:`z`. The noise generator maps noise and the
    condition :math:`c` to a code :math:`\tilde z`. Encoder, decoder and noise generator are
    trained at once on

    .. math::
        -\log p(x \mid z) + \lambda \, S_\varepsilon\big((z, c), (\tilde z, c)\big)
            + \eta \, \mathrm{ES}(z, \tilde z \mid c)
            + \eta' \, \mathrm{ES}(s(x), s(\tilde x) \mid c)

    with the first term as the cell head defines it (summed over cells), the Sinkhorn divergence
    between the codes of the batch joined with their conditions, and the energy scores of
    several codes drawn for each condition and of the coarse sums :math:`s` of the showers
    decoded from them. Nothing is assumed of the prior's shape. The gradients of the distances
    of codes reach encoder and noise generator; the decoder learns from the first term and the
    last.

    *Differences from the paper*, each a setting: encoder and decoder may see the condition,
    codes may be normalised and noised, and the energy scores are ours. They are there because
    a batch holds each condition once: with a large condition weight the plan pairs each code
    with the one generated for the same shower, and the noise generator then learns the mean
    code of a condition and ignores its noise; with a small weight it mixes conditions. The
    energy score is proper for one shower a condition (see docs/experiments.md).

    Arguments:
        encoder: ``(batch, cell), (batch, condition) or None -> (batch, latent)``.
        decoder: ``(batch, latent [+ condition]) -> (batch, cell)``.
        noise_generator: ``(batch, noise), (batch, condition) -> (batch, latent)``.
        cells: Meaning and loss of the decoder's outputs.
        match: How codes are matched.
        region_sums: Coarse sums of showers.
        noise_dim: Number of noise variables.
        latent_dim: Length of a code.
        codes: ``"free"``, ``"relu"``, or ``"normalised"`` to mean 0 and variance 1 in a batch.
        noise: ``"normal"``, or ``"uniform"`` on [0, 1).
        conditioned: Whether encoder and decoder see the condition.

    References:
        | End-to-end Sinkhorn Autoencoder with Noise Generator (Deja et al., 2020)
        | https://arxiv.org/abs/2006.06704
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        noise_generator: NoiseGenerator,
        cells: CellHead,
        match: PriorMatch,
        region_sums: RegionSums,
        *,
        noise_dim: int,
        latent_dim: int,
        codes: str,
        noise: str,
        conditioned: bool,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.noise_generator = noise_generator
        self.cells = cells
        self.match = match
        self.region_sums = region_sums
        self.noise_dim = noise_dim
        self.latent_dim = latent_dim
        self.uniform = noise == "uniform"
        self.conditioned = conditioned
        self.code_activation: nn.Module = {
            "free": nn.Identity(),
            "relu": nn.ReLU(),
            "normalised": nn.BatchNorm1d(latent_dim, affine=False, momentum=0.02),
        }[codes]
        self.prior_activation = nn.ReLU() if codes == "relu" else nn.Identity()

    def encode(
        self, showers: Tensor, conditions: Tensor, noise: Tensor | None = None
    ) -> Tensor:
        """Codes of showers, ``(batch, cell), (batch, condition) -> (batch, latent)``.

        ``noise``, standard normal ``(batch, latent)``, is added at the size that training adds.
        """
        seen = conditions if self.conditioned else None
        codes: Tensor = self.code_activation(self.encoder(self.cells.encoded(showers), seen))
        return codes if noise is None else codes + self.match.code_noise * noise

    def sample_latent(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """One code per condition and normal noise, ``-> (batch, latent)``."""
        if self.uniform:
            noise = torch.special.ndtr(noise)
        codes: Tensor = self.prior_activation(self.noise_generator(noise, conditions))
        return codes

    def amount_chain(self) -> DenseChain | None:
        """Noise generator and amounts of shapes, if nothing else lies between them."""
        plain = isinstance(self.prior_activation, nn.Identity) and not self.uniform
        if not (plain and isinstance(self.decoder, ShapeDecoder)):
            return None
        return self.decoder.chain(self.noise_generator.layers(), conditioned=self.conditioned)

    def decoder_inputs(self, codes: Tensor, conditions: Tensor) -> Tensor:
        """Codes, with the condition if the decoder sees it, ``-> (batch, inputs)``."""
        return super().decoder_inputs(codes, conditions) if self.conditioned else codes

    def objective(self, batch: ShowerBatch, rng: torch.Generator) -> Objective:
        """Reconstruction error plus the distance from encoded to generated codes."""
        conditions, match = batch.conditions, self.match
        n = len(conditions)
        blur = None
        if match.code_noise > 0:
            blur = normal(n, self.latent_dim, rng, conditions)
        codes = self.encode(batch.showers, conditions, blur)
        reconstruction = self.cells.loss(self.outputs(codes, conditions), batch)
        total, terms = reconstruction, {"reconstruction": reconstruction.detach()}
        if not finite(reconstruction):
            return Objective(total, terms)  # for training to stop at; codes are no numbers

        draws = match.draws if match.energy_weight + match.region_weight > 0 else 1
        generated = self.sample_latent(
            conditions.repeat(draws, 1), normal(draws * n, self.noise_dim, rng, conditions)
        ).reshape(draws, *codes.shape)

        if match.sinkhorn_weight > 0:
            joined = gathered(conditions)
            divergence = sinkhorn_divergence(
                gathered(codes),
                gathered(generated[0]),
                epsilon=match.epsilon,
                conditions_x=joined,
                conditions_y=joined,
                condition_weight=match.condition_weight,
                tolerance=1e-2,
                n_iterations=match.n_iterations or None,
            )
            total = total + match.sinkhorn_weight * divergence
            terms["sinkhorn"] = divergence.detach()
        if match.energy_weight > 0:
            score = energy_score(codes, generated.transpose(0, 1))
            total = total + match.energy_weight * score
            terms["energy_score"] = score.detach()
        if match.region_weight > 0:
            # Two draws are enough for an unbiased score, and decoding is what costs.
            twice = conditions.repeat(2, 1)
            cells = self.decode(generated[:2].flatten(0, 1), twice) * batch.near.repeat(2, 1)
            drawn = self.region_sums.drawn(cells, self.cell_law, rng, twice)
            drawn = drawn.reshape(2, n, -1).transpose(0, 1)
            score = energy_score(self.region_sums(batch.showers), drawn)
            total = total + match.region_weight * score
            terms["region_score"] = score.detach()
        return Objective(total, terms)


@dataclass(frozen=True)
class E2ESAEConfig:
    """Settings of an end-to-end Sinkhorn autoencoder.

    Attributes:
        latent_dim: Length of a code.
        noise_dim: Number of noise variables.
        noise: ``"normal"``, or ``"uniform"`` on [0, 1).
        network: ``"mlp"`` or ``"shapes"`` for any detector, ``"conv"`` for grids.
        encoder: Hidden units, or channels of the convolutions.
        decoder: Hidden units; for ``"conv"`` dense units, then channels.
        noise_width: Units of the noise generator's noise layer.
        condition_width: Units of its condition layer.
        noise_hidden: Units of its joint layers.
        cells: ``"poisson"`` or ``"negative-binomial"`` for counts, ``"deposits"`` for energies,
            ``"log1p"`` for values.
        codes: ``"free"``, ``"relu"`` or ``"normalised"``.
        conditioned: Whether encoder and decoder see the condition, too.
        code_noise: Standard deviation of the noise on codes in training, in units of codes.
        sinkhorn_weight: Weight of the Sinkhorn divergence.
        epsilon: Entropic blur, in squared units of codes.
        condition_weight: Factor of the squared distance of scaled conditions in the cost.
        sinkhorn_iterations: 0 iterates to convergence; the authors' notebook makes 2.
        energy_weight: Weight of the energy score of codes.
        region_weight: Weight of the energy score of the sums over a few regions of the
            detector. With both at 0 the loss is the paper's.
        draws: Noise draws a shower for the energy scores.
    """

    latent_dim: int = 6
    noise_dim: int = 16
    noise: str = "normal"
    network: str = "mlp"
    encoder: tuple[int, ...] = (256, 256)
    decoder: tuple[int, ...] = (256, 256)
    noise_width: int = 128
    condition_width: int = 128
    noise_hidden: tuple[int, ...] = (256,)
    cells: str = "poisson"
    codes: str = "normalised"
    conditioned: bool = True
    code_noise: float = 0.3
    sinkhorn_weight: float = 1.0
    epsilon: float = 0.5
    condition_weight: float = 0.03
    sinkhorn_iterations: int = 0
    energy_weight: float = 10.0
    region_weight: float = 30.0
    draws: int = 4

    def __post_init__(self) -> None:
        check_positive(
            "model",
            latent_dim=self.latent_dim,
            noise_dim=self.noise_dim,
            noise_width=self.noise_width,
            condition_width=self.condition_width,
            epsilon=self.epsilon,
        )
        check_widths("model.noise_hidden", self.noise_hidden)
        check_positive(
            "model",
            zero=True,
            code_noise=self.code_noise,
            sinkhorn_weight=self.sinkhorn_weight,
            condition_weight=self.condition_weight,
            sinkhorn_iterations=self.sinkhorn_iterations,
            energy_weight=self.energy_weight,
            region_weight=self.region_weight,
        )
        if self.draws < 2:
            msg = f"model.draws: found {self.draws}, expected 2 or more"
            raise ConfigError(msg)
        check_choice("model.codes", self.codes, CODES)
        check_choice("model.noise", self.noise, NOISES)

    def build(self, spec: ShowerSpec) -> E2ESinkhornAutoencoder:
        """Make the untrained model."""
        cells = cell_head(self.cells, spec)
        inputs = self.latent_dim + (spec.condition_dim if self.conditioned else 0)
        return E2ESinkhornAutoencoder(
            make_encoder(
                self.network,
                spec,
                self.encoder,
                conditioned=self.conditioned,
                outputs=self.latent_dim,
            ),
            make_decoder(
                self.network,
                spec,
                self.decoder,
                inputs=inputs,
                bias=cells.bias(),
                intensities=cells.intensities,
            ),
            NoiseGenerator(
                self.noise_dim,
                spec.condition_dim,
                noise_width=self.noise_width,
                condition_width=self.condition_width,
                hidden=self.noise_hidden,
                outputs=self.latent_dim,
            ),
            cells,
            PriorMatch(
                sinkhorn_weight=self.sinkhorn_weight,
                epsilon=self.epsilon,
                condition_weight=self.condition_weight,
                n_iterations=self.sinkhorn_iterations,
                energy_weight=self.energy_weight,
                region_weight=self.region_weight,
                draws=self.draws,
                code_noise=self.code_noise,
            ),
            RegionSums.of(spec),
            noise_dim=self.noise_dim,
            latent_dim=self.latent_dim,
            codes=self.codes,
            noise=self.noise,
            conditioned=self.conditioned,
        )
