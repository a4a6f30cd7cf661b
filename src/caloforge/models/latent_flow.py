"""Autoencoder with a conditional normalising flow as the prior of its codes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from caloforge.errors import ConfigError
from caloforge.models.checks import check_positive
from caloforge.models.vae import VAEConfig, VariationalAutoencoder
from caloforge.nn import check_widths, normal
from caloforge.types import Objective, Phase, ShowerBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.nn import CellHead, ShowerSpec
    from caloforge.nn.flow import ConditionalFlow


class FlowPriorAutoencoder(VariationalAutoencoder):
    r"""Variational autoencoder whose prior is learned: a conditional normalising flow.

    The encoder maps a shower and its condition :math:`c` to a Gaussian :math:`q(z \mid x, c)`,
    the decoder maps a code and the condition back, and the flow is a density
    :math:`p_\phi(z \mid c)`. All three are trained at once on

    .. math::
        -\log p(x \mid z, c) + \beta \big(\log q(z \mid x, c) - \log p_\phi(z \mid c)\big),
        \qquad z \sim q(z \mid x, c)

    with the first term as the cell head defines it (summed over cells). The bracket is an
    unbiased estimate of the divergence from the posterior to the prior, its entropy being
    exact. Where a VAE pulls all codes to one normal distribution, here the prior comes to meet
    them, condition by condition. A shower is generated from normal noise, which the inverse of
    the flow maps to a code.

    With ``joint=False`` there are two phases: encoder and decoder are a VAE, and the flow
    learns the density of its codes, drawn from their posteriors and detached.

    Arguments:
        encoder: ``(batch, cell), (batch, condition) -> (batch, 2 latent)``.
        decoder: ``(batch, latent + condition) -> (batch, cell)``.
        cells: Meaning and loss of the decoder's outputs.
        flow: Density of codes given the condition.
        latent_dim: Length of a code.
        kl_weight: :math:`\beta`.
        joint: Whether the flow is the prior in training, too.

    References:
        | Variational Lossy Autoencoder (Chen et al., 2017), section 3.2
        | https://arxiv.org/abs/1611.02731
        | Neural Spline Flows (Durkan et al., 2019), https://arxiv.org/abs/1906.04032
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        cells: CellHead,
        flow: ConditionalFlow,
        *,
        latent_dim: int,
        kl_weight: float,
        joint: bool,
    ) -> None:
        super().__init__(encoder, decoder, cells, latent_dim=latent_dim, kl_weight=kl_weight)
        self.flow = flow
        self.joint = joint

    def sample_latent(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Codes of normal noise, by the inverse of the flow, ``-> (batch, latent)``."""
        codes: Tensor = self.flow(noise, conditions)
        return codes

    def divergence(
        self, codes: Tensor, mean: Tensor, log_variance: Tensor, conditions: Tensor
    ) -> Tensor:
        """Divergence from the posteriors to the prior, estimated with one code a shower."""
        if not self.joint:
            return super().divergence(codes, mean, log_variance, conditions)
        entropy = (log_variance + 1 + math.log(2 * math.pi)).sum(dim=1) / 2
        return -(entropy + self.flow.log_prob(codes, conditions)).mean()

    def likelihood(self, batch: ShowerBatch, rng: torch.Generator) -> Objective:
        """Negative log density of codes that give no gradient to the encoder, in nats."""
        noise = normal(len(batch.conditions), self.latent_dim, rng, batch.conditions)
        with torch.no_grad():
            codes = self.encode(batch.showers, batch.conditions, noise)
        loss = -self.flow.log_prob(codes, batch.conditions).mean()
        return Objective(loss, {"codes": loss.detach()})

    def phases(self) -> Sequence[Phase]:
        """One update of all parts, or the autoencoder's and then the flow's."""
        if self.joint:
            return super().phases()

        def coders() -> list[nn.Parameter]:
            flow = {id(p) for p in self.flow.parameters()}
            return [p for p in self.parameters() if id(p) not in flow]

        return (
            Phase("autoencoder", coders, self.objective),
            Phase("flow", self.flow.parameters, self.likelihood),
        )


@dataclass(frozen=True)
class LatentFlowConfig(VAEConfig):
    """Settings of an autoencoder with a conditional normalising flow on its codes.

    Attributes:
        joint: Train the flow as the prior of the autoencoder; else on the codes of a VAE.
        couplings: Couplings of the flow; each is a small network call in generation.
        flow_hidden: Hidden units of each coupling's network.
        bins: Bins of a spline.
    """

    joint: bool = True
    couplings: int = 4
    flow_hidden: tuple[int, ...] = (64, 64)
    bins: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("model", couplings=self.couplings)
        check_widths("model.flow_hidden", self.flow_hidden)
        if self.bins < 2:
            msg = f"model.bins: found {self.bins}, expected 2 or more; try 8"
            raise ConfigError(msg)

    def build(self, spec: ShowerSpec) -> FlowPriorAutoencoder:
        """Make the untrained model.

        Raises:
            ConfigError: If zuko is not installed, or settings do not fit the detector.
        """
        try:
            from caloforge.nn.flow import ConditionalFlow
        except ModuleNotFoundError as error:
            msg = "model 'latent-flow': found no zuko; pip install 'caloforge[flow]'"
            raise ConfigError(msg) from error
        flow = ConditionalFlow(
            self.latent_dim,
            spec.condition_dim,
            couplings=self.couplings,
            hidden=self.flow_hidden,
            bins=self.bins,
        )
        return FlowPriorAutoencoder(
            *self.parts(spec),
            flow,
            latent_dim=self.latent_dim,
            kl_weight=self.kl_weight,
            joint=self.joint,
        )
