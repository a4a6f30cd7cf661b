"""Conditional deep convolutional generative adversarial network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from caloforge.errors import ConfigError
from caloforge.models.checks import check_choice, check_positive
from caloforge.nn import (
    cell_head,
    make_decoder,
    make_discriminator,
    normal,
    untouched_statistics,
)
from caloforge.nn.coders import NETWORKS
from caloforge.types import CLUSTERED, CellLaw, Objective, Phase, ShowerBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.nn import CellHead, ShowerSpec
    from caloforge.nn.discriminator import Discriminator


class DCGAN(nn.Module):
    r"""Generator and discriminator that learn from each other.

    The discriminator :math:`D` tells full simulation from generated showers, both with their
    condition, and the generator :math:`G` learns to be taken for full simulation:

    .. math::
        L_D = E \log(1 + e^{-D(x, c)}) + E \log(1 + e^{D(G(n, c), c)})
            + \tfrac{\gamma}{2} E \lVert \nabla_x D(x, c) \rVert^2, \qquad
        L_G = E \log(1 + e^{-D(G(n, c), c)})

    The two phases use the same batch and draw their noise apart; neither changes the other's
    network: no parameter, and no running mean or variance of a batch normalisation. The
    discriminator sees cells as the cell head encodes them. Of a head that gives
    the mean of a count, it sees drawn counts: else it would tell integers from means. The
    gradient takes a count for its mean, as in `RegionSums`.

    Arguments:
        generator: ``(batch, noise + condition) -> (batch, cell)``.
        discriminator: ``(batch, cell), (batch, condition) -> (batch, 1)``.
        cells: Meaning of the generator's outputs.
        noise_dim: Length of the noise vector.
        penalty: :math:`\gamma`; 0 as published.
        discriminator_rate: Learning rate of the discriminator over that of the generator.

    References:
        | Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
        | Networks (Radford et al., 2016), https://arxiv.org/abs/1511.06434
        | Conditional Generative Adversarial Nets (Mirza and Osindero, 2014)
        | Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018),
        | equation 9, https://arxiv.org/abs/1801.04406
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: Discriminator,
        cells: CellHead,
        *,
        noise_dim: int,
        penalty: float,
        discriminator_rate: float,
    ) -> None:
        super().__init__()
        self.generator = generator
        self.discriminator = discriminator
        self.cells = cells
        self.noise_dim = noise_dim
        self.penalty = penalty
        self.discriminator_rate = discriminator_rate

    @property
    def cell_law(self) -> CellLaw:
        """How counts are drawn."""
        return self.cells.law()

    def sample(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """One shower per condition and normal noise, ``-> (batch, cell)``."""
        return self.cells(self._outputs(conditions, noise))

    def _outputs(self, conditions: Tensor, noise: Tensor) -> Tensor:
        outputs: Tensor = self.generator(torch.cat((noise, conditions), dim=1))
        return outputs

    def _generated(self, batch: ShowerBatch, rng: torch.Generator) -> Tensor:
        """Showers as the discriminator sees them, for the conditions of a batch."""
        conditions = batch.conditions
        noise = normal(len(conditions), self.noise_dim, rng, conditions)
        return self.cells.seen(self._outputs(conditions, noise), rng) * batch.near

    def _score(self, seen: Tensor, conditions: Tensor) -> Tensor:
        scores: Tensor = self.discriminator(seen, conditions)
        return scores[:, 0]

    def discriminate(self, batch: ShowerBatch, rng: torch.Generator) -> Objective:
        """Loss of the discriminator; the generator only makes showers."""
        with torch.no_grad(), untouched_statistics(self.generator):
            made = self._generated(batch, rng)
        # Validation asks for the loss without gradients: there the penalty is left out.
        penalised = self.penalty > 0 and torch.is_grad_enabled()
        true = self.cells.encoded(batch.showers).detach().requires_grad_(penalised)
        score_true = self._score(true, batch.conditions)
        score_made = self._score(made, batch.conditions)
        total = softplus(-score_true).mean() + softplus(score_made).mean()
        terms = {
            "loss": total.detach(),
            "right": (
                (score_true > 0).float().mean() + (score_made < 0).float().mean()
            ).detach()
            / 2,
        }
        if penalised:
            (gradient,) = torch.autograd.grad(score_true.sum(), true, create_graph=True)
            penalty = gradient.square().sum(dim=1).mean()
            total = total + self.penalty / 2 * penalty
            terms["penalty"] = penalty.detach()
        return Objective(total, terms)

    def generate(self, batch: ShowerBatch, rng: torch.Generator) -> Objective:
        """Loss of the generator; the discriminator only judges."""
        loss = self._deception(self._generated(batch, rng), batch.conditions)
        return Objective(loss, {"loss": loss.detach()})

    def _deception(self, made: Tensor, conditions: Tensor) -> Tensor:
        """How far generated showers are from being taken for full simulation."""
        with untouched_statistics(self.discriminator):
            return softplus(-self._score(made, conditions)).mean()

    def phases(self) -> Sequence[Phase]:
        """The discriminator moves, then the generator."""
        return (
            Phase(
                "discriminator",
                self.discriminator.parameters,
                self.discriminate,
                self.discriminator_rate,
            ),
            Phase("generator", self.generator.parameters, self.generate),
        )


@dataclass(frozen=True)
class DCGANConfig:
    """Settings of a conditional DCGAN.

    Attributes:
        noise_dim: Length of the noise vector.
        network: ``"mlp"`` for any detector; for grids ``"conv"`` (transposed convolutions) or
            ``"upsampling"`` (repeated cells, then convolutions, as published).
        generator: Hidden units; for grids dense units, then channels.
        discriminator: Hidden units; for grids channels, then dense units.
        cells: ``"poisson"`` for counts, ``"log1p"`` for values.
        penalty: Weight of the squared gradient at true showers; 0 as published.
        discriminator_rate: Learning rate of the discriminator over that of the generator.
        batch_norm: Whether the discriminator's convolutions have batch normalisation.
        projection: Whether the discriminator projects the condition on its last hidden layer,
            beside seeing it before.
    """

    noise_dim: int = 10
    network: str = "mlp"
    generator: tuple[int, ...] = (256, 256)
    discriminator: tuple[int, ...] = (256, 256)
    cells: str = "poisson"
    penalty: float = 1.0
    discriminator_rate: float = 1.0
    batch_norm: bool = False
    projection: bool = True

    def __post_init__(self) -> None:
        check_positive(
            "model", noise_dim=self.noise_dim, discriminator_rate=self.discriminator_rate
        )
        check_positive("model", zero=True, penalty=self.penalty)
        check_choice("model.network", self.network, NETWORKS)

    def build(self, spec: ShowerSpec) -> DCGAN:
        """Make the untrained model."""
        cells = self.cell_head(spec)
        return DCGAN(
            self.make_generator(spec, cells),
            self.make_discriminator(spec),
            cells,
            noise_dim=self.noise_dim,
            penalty=self.penalty,
            discriminator_rate=self.discriminator_rate,
        )

    def cell_head(self, spec: ShowerSpec) -> CellHead:
        """Make the meaning of the generator's outputs.

        Raises:
            ConfigError: If a discriminator cannot teach it, or it does not fit the detector.
        """
        if self.cells in (*CLUSTERED, "deposits", "deposit-tracks"):
            msg = (
                f"model.cells: found '{self.cells}', expected 'poisson' or 'log1p'; a "
                "discriminator gives no gradient to the width of a law"
            )
            raise ConfigError(msg)
        return cell_head(self.cells, spec)

    def make_generator(self, spec: ShowerSpec, cells: CellHead) -> nn.Module:
        """Make the generator, ``(batch, noise + condition) -> (batch, cell)``."""
        return make_decoder(
            self.network,
            spec,
            self.generator,
            inputs=self.noise_dim + spec.condition_dim,
            bias=cells.bias(),
            key="model.generator",
        )

    def make_discriminator(self, spec: ShowerSpec) -> Discriminator:
        """Make the discriminator, ``(batch, cell), (batch, condition) -> (batch, 1)``."""
        return make_discriminator(
            self.network,
            spec,
            self.discriminator,
            batch_norm=self.batch_norm,
            projection=self.projection,
        )
