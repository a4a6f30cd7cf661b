"""Sums over a few regions and the mean shape within each: a baseline without a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from caloforge.errors import ConfigError
from caloforge.losses.energy import energy_score
from caloforge.models.checks import check_positive
from caloforge.nn import (
    MLP,
    RegionSums,
    cell_head,
    check_widths,
    make_decoder,
    normal,
    untouched_statistics,
)
from caloforge.types import CellLaw, Objective, Phase, ShowerBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.nn import CellHead, ShowerSpec

# Log sums are cut off here, in units of the region sums' scale.
_LOG_SUM = (-12.0, 16.0)
_SMALLEST_SHARE = 1e-6
_SMALLEST_SUM = 1e-2


class ChannelRegressor(nn.Module):
    r"""Generates the sums over a few regions, and spreads each by its mean shape.

    One network maps noise and condition to the expected sum :math:`\lambda_r` of each region,
    another the condition to the mean of each cell :math:`m_i`. A shower is

    .. math::
        x_i = \lambda_{r(i)} \, m_i \Big/ \sum_{j \in r(i)} m_j

    around which counts are drawn. The first network is trained on the energy score of its
    sums, counts drawn, against those of the full simulation; the second, in a phase of its
    own, as the mean regression is. All that showers of a particle differ by is in the sums.

    Arguments:
        sums: ``(batch, noise + condition) -> (batch, region)``, logarithms of expected sums.
        shape: ``(batch, condition) -> (batch, cell)``.
        cells: Meaning and loss of the outputs of ``shape``.
        regions: Number of each cell's region, ``(cell,)``.
        region_sums: Sums on the scale on which they are compared.
        maximum: Largest value of a cell, if there is one; what is above is cut off.
        noise_dim: Length of the noise vector.
        draws: Noise draws a shower for the energy score.
    """

    def __init__(
        self,
        sums: nn.Module,
        shape: nn.Module,
        cells: CellHead,
        regions: Tensor,
        region_sums: RegionSums,
        *,
        maximum: float | None,
        noise_dim: int,
        draws: int,
    ) -> None:
        super().__init__()
        self.sums = sums
        self.shape = shape
        self.cells = cells
        self.region_sums = region_sums
        self.register_buffer("regions", regions, persistent=False)
        self.maximum = maximum
        self.noise_dim = noise_dim
        self.draws = draws

    @property
    def cell_law(self) -> CellLaw:
        """How counts are drawn."""
        return self.cells.law()

    def sample(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """One shower per condition and normal noise, ``-> (batch, cell)``."""
        spread = self._sums(conditions, noise)[:, self.get_buffer("regions")]
        cells = spread * self._shares(conditions)
        return cells if self.maximum is None else cells.clamp_max(self.maximum)

    def _sums(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Expected sums in the detector's unit, ``(batch, region)``."""
        outputs: Tensor = self.sums(torch.cat((noise, conditions), dim=1))
        return self.region_sums.scale * outputs.clamp(*_LOG_SUM).exp()

    def _shares(self, conditions: Tensor) -> Tensor:
        """Share of each cell in its region's sum, ``(batch, cell)``."""
        mean = self.cells(self.shape(conditions)) + _SMALLEST_SHARE * self.region_sums.scale
        whole = self.region_sums.plain(mean)
        return mean / whole[:, self.get_buffer("regions")]

    def match_sums(self, batch: ShowerBatch, rng: torch.Generator) -> Objective:
        """Energy score of the sums; the shape only says what of them is in near cells."""
        conditions, n = batch.conditions, len(batch.conditions)
        with torch.no_grad(), untouched_statistics(self.shape):
            shares = self._shares(conditions) * batch.near
            visible = self.region_sums.plain(shares)
            deposits = self.region_sums.deposits(shares, self.cell_law)
        noise = normal(self.draws * n, self.noise_dim, rng, conditions)
        made = self._sums(conditions.repeat(self.draws, 1), noise)
        made = made * visible.repeat(self.draws, 1)
        if deposits is not None:
            deposits = deposits.repeat(self.draws, 1)
        drawn = self.region_sums.drawn_sums(made, self.cell_law, rng, deposits)
        drawn = drawn.reshape(self.draws, n, -1).transpose(0, 1)
        score = energy_score(self.region_sums(batch.showers), drawn)
        return Objective(score, {"score": score.detach()})

    def match_shape(self, batch: ShowerBatch, rng: torch.Generator) -> Objective:
        """Distance from the predicted mean of each cell; needs no random numbers."""
        del rng
        loss = self.cells.loss(self.shape(batch.conditions), batch)
        return Objective(loss, {"reconstruction": loss.detach()})

    def phases(self) -> Sequence[Phase]:
        """The sums and the shape, each for itself."""
        return (
            Phase("sums", self.sums.parameters, self.match_sums),
            Phase("shape", self._shape_parameters, self.match_shape),
        )

    def _shape_parameters(self) -> list[nn.Parameter]:
        # The likelihood of the cells also gives the width of their law.
        head = self.cells.parameters() if isinstance(self.cells, nn.Module) else ()
        return [*self.shape.parameters(), *head]


@dataclass(frozen=True)
class ChannelRegressorConfig:
    """Settings of the channel regressor: sums that fluctuate, and a mean picture.

    Attributes:
        noise_dim: Length of the noise vector.
        hidden: Hidden units of the network of the sums.
        network: Of the shape: ``"mlp"`` for any detector, ``"conv"`` or ``"upsampling"``
            for grids.
        decoder: Hidden units of the shape; for grids dense units, then channels.
        cells: ``"poisson"`` or ``"negative-binomial"`` for counts, ``"deposits"`` for energies,
            ``"log1p"`` for values.
        draws: Noise draws a shower for the energy score, 2 or more.
    """

    noise_dim: int = 16
    hidden: tuple[int, ...] = (128, 128)
    network: str = "mlp"
    decoder: tuple[int, ...] = (256, 256)
    cells: str = "poisson"
    draws: int = 4

    def __post_init__(self) -> None:
        check_positive("model", noise_dim=self.noise_dim)
        check_widths("model.hidden", self.hidden)
        if self.draws < 2:
            msg = f"model.draws: found {self.draws}, expected 2 or more"
            raise ConfigError(msg)

    def build(self, spec: ShowerSpec) -> ChannelRegressor:
        """Make the untrained model."""
        cells = cell_head(self.cells, spec)
        region_sums = RegionSums.of(spec)
        mean = region_sums.plain(spec.mean[None])[0] / region_sums.scale
        sums = MLP((self.noise_dim + spec.condition_dim, *self.hidden, len(mean)))
        with torch.no_grad():
            sums.last.weight.mul_(0.1)
            sums.last.bias.copy_((mean + _SMALLEST_SUM).log())
        return ChannelRegressor(
            sums,
            make_decoder(
                self.network,
                spec,
                self.decoder,
                inputs=spec.condition_dim,
                bias=cells.bias(),
            ),
            cells,
            spec.regions,
            region_sums,
            maximum=spec.maximum,
            noise_dim=self.noise_dim,
            draws=self.draws,
        )
