"""SDI-GAN: a DCGAN whose generator is asked for diversity where full simulation has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from caloforge.losses.diversity import (
    diversity_penalty,
    mean_mismatch,
    repeat_variance,
    variance_score,
)
from caloforge.models.checks import check_positive
from caloforge.models.dcgan import DCGAN, DCGANConfig
from caloforge.nn import (
    MLP,
    ConstantDecoder,
    RegionSums,
    ShowerMaximum,
    check_widths,
    gathered,
    make_encoder,
    normal,
    own,
    untouched_statistics,
)
from caloforge.types import Objective, Phase, ShowerBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.nn import CellHead, ShowerSpec
    from caloforge.nn.discriminator import Discriminator

# Variances outside are of no use, and their exponentials overflow.
_LOG_VARIANCE = (-12.0, 12.0)
# Of features that are all the same.
_SMALLEST_UNIT = 1e-6


class ResponseSpread(nn.Module):
    r"""What a particle's showers scatter by, learned from their coarse sums.

    A small network predicts from the condition the mean of each sum and the logarithm of one
    variance :math:`v`, the mean over the sums, by

    .. math::
        \lVert s - m(c) \rVert^2 / (d\, \bar v(c)) + \log v(c) + t / v(c)

    with :math:`\bar v` the variance without its gradient, and :math:`t` the unbiased variance
    among the repeats of a condition where the batch has them (half the squared difference of a
    pair), else :math:`\lVert s - m(c) \rVert^2 / d`, which the error of the mean makes somewhat
    too large. Only showers with equal conditions are repeats: two of one particle of which one
    was reflected are not.

    Arguments:
        network: ``(batch, condition) -> (batch, d + 1)``.
        sums: Coarse sums of showers.
    """

    def __init__(self, network: nn.Module, sums: RegionSums) -> None:
        super().__init__()
        self.network = network
        self.sums = sums

    def forward(self, conditions: Tensor) -> Tensor:
        """Standard deviation of each condition, ``(batch,)``."""
        return (self._log_variance(self.network(conditions)) / 2).exp()

    @staticmethod
    def _log_variance(outputs: Tensor) -> Tensor:
        return outputs[:, -1].clamp(*_LOG_VARIANCE)

    def objective(self, batch: ShowerBatch, rng: torch.Generator) -> Objective:
        """Loss of the predicted means and variance; needs no random numbers."""
        del rng
        outputs = self.network(batch.conditions)
        sums = self.sums(batch.showers)
        residual = (sums - outputs[:, :-1]).square().mean(dim=1)
        with torch.no_grad():
            among = repeat_variance(gathered(sums), gathered(batch.conditions))
            squared = torch.where(own(among.repeated), own(among.variance), residual)
        log_variance = self._log_variance(outputs)
        fit = (residual * (-log_variance).exp().detach()).mean()
        score = variance_score(log_variance, squared)
        terms = {
            "residual": residual.mean().detach(),
            "score": score.detach(),
            "repeated": own(among.repeated).float().mean(),
        }
        return Objective(fit + score, terms)


@dataclass(frozen=True)
class SelectiveWeights:
    """Weights in the generator's loss; a part of weight 0 is left out.

    Attributes:
        diversity: Of the diversity term.
        intensity: Of the mismatch of mean photon sums.
        auxiliary: Of the mismatch of mean positions of the maximum.
    """

    diversity: float
    intensity: float
    auxiliary: float


class SDIGAN(DCGAN):
    r"""DCGAN with selective increase of diversity, intensity and auxiliary regressor.

    The generator makes two showers of each condition :math:`c` from noise :math:`n_1`,
    :math:`n_2` and, beside deceiving the discriminator with the first, goes down

    .. math::
        w_d\, E \frac{\sigma(c)}{r + 10^{-5}}
            + w_i\, E (s_1 - s)(s_2 - s)
            + w_a\, E (R(x_1) - p) \cdot (R(x_2) - p), \qquad
        r = \frac{\mathrm{mean} |f(\bar x_1) - f(\bar x_2)|}{\mathrm{mean} |n_1 - n_2|}

    Here :math:`f` is the discriminator's last hidden layer over its mean absolute deviation in
    the batch, on expected showers, so that the scatter of drawn counts does not pass for
    diversity; :math:`\sigma` is the spread of the
    full simulation (`ResponseSpread`) over the largest of the batch; :math:`s` is the square
    root of the photon sum; :math:`p` is the position of the maximum of the true shower, and
    :math:`R` a regressor that learns it from full simulation in a phase of its own.

    *Differences from the papers*: there :math:`\sigma` is the normalised spread of the
    responses to each particle. A distance of *one* generated shower from one true shower would
    be best without fluctuations and so work against the first term; with the product of two
    draws only means are compared (see `mean_mismatch`).

    Arguments:
        generator: ``(batch, noise + condition) -> (batch, cell)``.
        discriminator: ``(batch, cell), (batch, condition) -> (batch, 1)``.
        cells: Meaning of the generator's outputs.
        spread: Spread of a condition; ``None`` without the diversity term.
        regressor: ``(batch, cell) -> (batch, d)``; not used without the auxiliary term.
        maximum: Position of a shower's maximum.
        region_sums: Coarse sums of showers.
        weights: Of the three terms.
        noise_dim: Length of the noise vector.
        penalty: As of `DCGAN`.
        discriminator_rate: As of `DCGAN`.

    References:
        | Selectively increasing the diversity of GAN-generated samples (Dubinski et al., 2022)
        | https://arxiv.org/abs/2207.01561
        | Deep Generative Models for Proton Zero Degree Calorimeter Simulations in ALICE, CERN
        | (Bedkowski et al., 2024), https://arxiv.org/abs/2406.03263
    """

    discriminator: Discriminator

    def __init__(
        self,
        generator: nn.Module,
        discriminator: Discriminator,
        cells: CellHead,
        spread: ResponseSpread | None,
        regressor: nn.Module,
        maximum: ShowerMaximum,
        region_sums: RegionSums,
        weights: SelectiveWeights,
        *,
        noise_dim: int,
        penalty: float,
        discriminator_rate: float,
    ) -> None:
        super().__init__(
            generator,
            discriminator,
            cells,
            noise_dim=noise_dim,
            penalty=penalty,
            discriminator_rate=discriminator_rate,
        )
        self.spread = spread
        self.regressor = regressor
        self.maximum = maximum
        self.region_sums = region_sums
        self.weights = weights

    def locate(self, batch: ShowerBatch, rng: torch.Generator) -> Objective:
        """Loss of the auxiliary regressor on full simulation; needs no random numbers."""
        del rng
        found = self.regressor(self.cells.encoded(batch.showers))
        loss = (found - self.maximum(batch.showers)).square().sum(dim=1).mean()
        return Objective(loss, {"loss": loss.detach()})

    def generate(self, batch: ShowerBatch, rng: torch.Generator) -> Objective:
        """Loss of the generator; all other networks only judge."""
        conditions, weights = batch.conditions, self.weights
        n = len(conditions)
        noise = (
            normal(n, self.noise_dim, rng, conditions),
            normal(n, self.noise_dim, rng, conditions),
        )
        outputs = self._outputs(conditions.repeat(2, 1), torch.cat(noise))
        near = batch.near.repeat(2, 1)
        seen = self.cells.seen(outputs, rng) * near
        total = self._deception(seen[:n], conditions)
        terms = {"loss": total.detach()}
        if self.spread is not None:
            with torch.no_grad():
                spread = self.spread(gathered(conditions))
                spread = own(spread / spread.max())
            diversity = diversity_penalty(self._seen_apart(outputs, batch), noise, spread)
            total = total + weights.diversity * diversity
            terms["diversity"] = diversity.detach()
        if weights.intensity > 0:
            drawn = self.region_sums.drawn(
                self.cells(outputs) * near, self.cell_law, rng, conditions.repeat(2, 1)
            )
            first, second = drawn[:, -1:].chunk(2)
            true = self.region_sums(batch.showers)[:, -1:]
            intensity = mean_mismatch(true, first, second)
            total = total + weights.intensity * intensity
            terms["intensity"] = intensity.detach()
        if weights.auxiliary > 0:
            with untouched_statistics(self.regressor):
                first, second = self.regressor(seen).chunk(2)
            position = mean_mismatch(self.maximum(batch.showers), first, second)
            total = total + weights.auxiliary * position
            terms["position"] = position.detach()
        return Objective(total, terms)

    def _seen_apart(self, outputs: Tensor, batch: ShowerBatch) -> tuple[Tensor, Tensor]:
        """What the discriminator sees in the two expected showers, in units of its scatter."""
        expected = self.cells.encoded(self.cells(outputs)) * batch.near.repeat(2, 1)
        first, second = expected.chunk(2)
        with untouched_statistics(self.discriminator):
            first = self.discriminator.features(first, batch.conditions)
            second = self.discriminator.features(second, batch.conditions)
        every = gathered(torch.cat((first, second)).detach())
        unit = (every - every.mean(dim=0)).abs().mean() + _SMALLEST_UNIT
        return first / unit, second / unit

    def phases(self) -> Sequence[Phase]:
        """Who judges moves, each for itself, then the generator."""
        *judges, generator = super().phases()
        if self.spread is not None:
            judges.append(Phase("spread", self.spread.parameters, self.spread.objective))
        if self.weights.auxiliary > 0:
            judges.append(Phase("auxiliary", self.regressor.parameters, self.locate))
        return (*judges, generator)


@dataclass(frozen=True)
class SDIGANConfig(DCGANConfig):
    """Settings of an SDI-GAN: a DCGAN with diversity, intensity and auxiliary terms.

    Those of the DCGAN, and of what it adds.

    Attributes:
        diversity_weight: Weight of the diversity term; 0 leaves it out.
        intensity_weight: Weight of the mismatch of mean square roots of photon sums.
        auxiliary_weight: Weight of the mismatch of mean positions, in cells squared.
        spread_hidden: Hidden units of the network that learns the spread of a condition.
        regressor: Hidden units of the auxiliary regressor; for grids channels.
    """

    diversity_weight: float = 0.01
    intensity_weight: float = 0.01
    auxiliary_weight: float = 0.01
    spread_hidden: tuple[int, ...] = (64, 64)
    regressor: tuple[int, ...] = (64,)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(
            "model",
            zero=True,
            diversity_weight=self.diversity_weight,
            intensity_weight=self.intensity_weight,
            auxiliary_weight=self.auxiliary_weight,
        )
        check_widths("model.spread_hidden", self.spread_hidden)

    def build(self, spec: ShowerSpec) -> SDIGAN:
        """Make the untrained model."""
        cells = self.cell_head(spec)
        sums = RegionSums.of(spec)
        maximum = ShowerMaximum(spec)
        return SDIGAN(
            self.make_generator(spec, cells),
            self.make_discriminator(spec),
            cells,
            self._make_spread(spec, sums) if self.diversity_weight > 0 else None,
            self._make_regressor(spec, maximum) if self.auxiliary_weight > 0 else nn.Identity(),
            maximum,
            sums,
            SelectiveWeights(
                self.diversity_weight, self.intensity_weight, self.auxiliary_weight
            ),
            noise_dim=self.noise_dim,
            penalty=self.penalty,
            discriminator_rate=self.discriminator_rate,
        )

    def _make_spread(self, spec: ShowerSpec, sums: RegionSums) -> ResponseSpread:
        """Start from the mean shower with a variance of 1."""
        start = torch.cat((sums(spec.mean[None])[0], torch.zeros(1)))
        if spec.condition_dim == 0:
            return ResponseSpread(ConstantDecoder(start), sums)
        network = MLP((spec.condition_dim, *self.spread_hidden, len(start)))
        with torch.no_grad():
            network.last.weight.mul_(0.1)
            network.last.bias.copy_(start)
        return ResponseSpread(network, sums)

    def _make_regressor(self, spec: ShowerSpec, maximum: ShowerMaximum) -> nn.Module:
        return make_encoder(
            self.network,
            spec,
            self.regressor,
            conditioned=False,
            outputs=maximum.dim,
            key="model.regressor",
        )
