"""Conditional flow matching on cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from caloforge.errors import ConfigError
from caloforge.models.checks import check_choice, check_positive
from caloforge.models.flow import Flow
from caloforge.models.flow_settings import FlowSettings
from caloforge.nn import cell_head, make_velocity, uniform
from caloforge.types import CellLaw, Objective, Phase, ShowerBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.nn import CellHead, ShowerSpec

ROUNDINGS = ("unbiased", "nearest", "dequantised")
# Cell heads whose counts are drawn: the flow ends early, and a likelihood does the rest.
DRAWN = ("poisson", "negative-binomial", "deposits")
# Share of the training places at the time at which counts are drawn.
_LAST_SHARE = 0.25
# Least spread of a cell in the flow that the network starts from, in typical lit cells.
_LEAST_SPREAD = 0.05


class FlowMatching(nn.Module):
    r"""Flow from noise to showers, one noise variable a cell.

    Cells :math:`y` are encoded by the cell head (logarithm of one plus the counts), centred on
    the encoded mean shower and divided by the noise :math:`\sigma`. See `Flow` for the flow.
    How it becomes counts again is the difficulty: of a shower of the ZDC 97 % of the cells are
    empty, and a hundredth of a photon too much in each of them is twenty photons in the sum.

    * *Drawn* (cells ``"poisson"``, ``"negative-binomial"``, ``"deposits"``): the flow is left
      at an early time :math:`T`, where single counts are still covered by noise. A second
      output of the network gives the intensity of each cell of such a noisy shower, and cells
      are drawn. It is trained on :math:`-\log p(y \mid x_T, c)`, summed over cells, and added
      to the loss.
    * *Rounded* (``"log1p"``, ``"bounded"``): the flow is followed to its end, and the encoding
      is undone. Of counts as ``"log1p"``, ``"nearest"`` takes the nearest integer, and
      ``"unbiased"`` leaves the fractions to the law of the cells. ``"dequantised"`` adds a
      uniform number to each count in training and leaves off the fraction of what comes out,
      so that the data have a density.

    Arguments:
        flow: Between noise and encoded showers; its network gives a second shower if counts
            are drawn.
        cells: Encoding of showers, and meaning of the second output.
        noise_scale: :math:`\sigma`, in units of encoded cells.
        centre: Encoded mean shower, ``(cell,)``.
        bias: Outputs of the cell head for the mean shower, ``(cell,)``; ``None`` if counts are
            not drawn.
        rounding: One of `ROUNDINGS`; ``"unbiased"`` unless counts are ``"log1p"``.

    References:
        | Flow Matching for Generative Modeling (Lipman et al., 2023)
        | https://arxiv.org/abs/2210.02747
        | Denoising Diffusion Probabilistic Models (Ho et al., 2020), section 3.3 (the last step
        | is a likelihood of integers), https://arxiv.org/abs/2006.11239
    """

    def __init__(
        self,
        flow: Flow,
        cells: CellHead,
        *,
        noise_scale: float,
        centre: Tensor,
        bias: Tensor | None,
        rounding: str,
    ) -> None:
        super().__init__()
        self.flow = flow
        self.cells = cells
        self.noise_scale = noise_scale
        self.noise_dim = len(centre)
        self.register_buffer("centre", centre.clone())
        self.drawn = bias is not None
        self.register_buffer("bias", None if bias is None else bias.clone())
        self.rounding = rounding

    @property
    def cell_law(self) -> CellLaw:
        """How counts are drawn."""
        return self.cells.law()

    def encoded(self, showers: Tensor) -> Tensor:
        """Showers as the flow sees them, ``(batch, cell)``."""
        encoded = self.cells.encoded(showers) - self.get_buffer("centre")
        return encoded / self.noise_scale

    def sample(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """One shower per condition and normal noise, ``-> (batch, cell)``."""
        carried = self.flow.carried(noise, conditions)
        if self.drawn:
            end = carried.new_full((len(carried), 1), self.flow.plan.end)
            rest = self.flow(carried, end, torch.zeros_like(end), conditions)[1]
            return self.cells(self.get_buffer("bias") + rest)
        encoded = self.noise_scale * carried + self.get_buffer("centre")
        cells = self.cells.decoded(encoded)
        if self.rounding == "unbiased":
            return cells
        return (cells + 0.5).floor() if self.rounding == "nearest" else cells.floor()

    def objective(self, batch: ShowerBatch, rng: torch.Generator) -> Objective:
        """Error of the velocity and, where counts are drawn, their likelihood."""
        showers = batch.showers
        if self.rounding == "dequantised":
            showers = showers + uniform(len(showers), self.noise_dim, rng, showers)
        data = self.encoded(showers)
        point = self.flow.point(data, batch.conditions, rng)
        lengths = torch.zeros_like(point.times)
        velocity, rest = self.flow(point.x, point.times, lengths, batch.conditions)
        error = (velocity - point.target).square().sum(dim=1).mean()
        if not self.drawn:
            return Objective(error, {"velocity": error.detach()})
        likelihood = self.cells.loss(self.get_buffer("bias") + rest, batch)
        return Objective(
            error + likelihood,
            {"velocity": error.detach(), "likelihood": likelihood.detach()},
        )

    def phases(self) -> Sequence[Phase]:
        """One network, one update."""
        return (Phase("flow", self.parameters, self.objective),)


@dataclass(frozen=True)
class FlowMatchingConfig(FlowSettings):
    """Settings of flow matching on cells.

    Those of `FlowSettings`, and more.

    Attributes:
        network: ``"mlp"`` for any detector, ``"unet"`` for grids.
        widths: Units of the trunk, then of each residual block; for ``"unet"`` channels of
            each level.
        cells: ``"poisson"`` or ``"negative-binomial"`` for counts that are drawn,
            ``"deposits"`` for energies that are drawn, ``"log1p"`` for values.
        rounding: How values become counts, ``"unbiased"``, ``"nearest"`` or
            ``"dequantised"``; for counts with ``"log1p"`` alone, others are not rounded.
        end: Time at which the flow is left and counts are drawn; 1 for values.
        noise_scale: Standard deviation of the noise, in typical lit cells as encoded.
    """

    network: str = "mlp"
    widths: tuple[int, ...] = (256, 256, 256)
    cells: str = "poisson"
    rounding: str = "nearest"
    end: float = 0.6
    noise_scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("model", noise_scale=self.noise_scale)
        check_choice("model.rounding", self.rounding, ROUNDINGS)
        if not 0 < self.end < 1:
            msg = f"model.end: found {self.end}, expected a time above 0 and below 1; try 0.6"
            raise ConfigError(msg)

    def build(self, spec: ShowerSpec) -> FlowMatching:
        """Make the untrained model.

        Raises:
            ConfigError: If cells are tracks, or do not fit the detector.
        """
        if self.cells in ("tracks", "deposit-tracks"):
            msg = (
                f"model.cells: found '{self.cells}', expected 'poisson', 'negative-binomial', "
                "'deposits' or 'log1p'; what neighbours share is in the flow already"
            )
            raise ConfigError(msg)
        cells = cell_head(self.cells, spec)
        drawn = self.cells in DRAWN
        centre = cells.encoded(spec.mean)
        typical = cells.encoded(torch.tensor(spec.cell_scale))
        noise_scale = self.noise_scale * float(typical)
        # As if a cell were either empty or of the typical size.
        spread = (centre * (typical - centre)).clamp_min(0).sqrt() + _LEAST_SPREAD * typical
        plan = (
            self.plan(end=self.end, latest=self.end, last_share=_LAST_SHARE)
            if drawn
            else self.plan()
        )
        network = make_velocity(self.network, spec, self.widths, images=2 if drawn else 1)
        return FlowMatching(
            Flow(network, spread / noise_scale, plan),
            cells,
            noise_scale=noise_scale,
            centre=centre,
            bias=cells.bias() if drawn else None,
            rounding=self.rounding if spec.counts and self.cells == "log1p" else "unbiased",
        )
