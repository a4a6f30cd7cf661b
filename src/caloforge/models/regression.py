"""Mean intensity of each cell as a function of the condition: the baseline without noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from caloforge.nn import cell_head, make_decoder
from caloforge.types import CellLaw, Objective, Phase, ShowerBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from caloforge.nn import CellHead, ShowerSpec


class MeanRegression(nn.Module):
    """Predicts the mean shower of an incident particle; only the counts are random.

    A generative model that does no better has learned nothing of a shower's fluctuations.

    Arguments:
        decoder: ``(batch, condition) -> (batch, cell)``.
        cells: Meaning and loss of the decoder's outputs.
    """

    noise_dim = 0

    def __init__(self, decoder: nn.Module, cells: CellHead) -> None:
        super().__init__()
        self.decoder = decoder
        self.cells = cells

    @property
    def cell_law(self) -> CellLaw:
        """How counts are drawn."""
        return self.cells.law()

    def sample(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """The mean shower of each condition, ``(batch, cell)``; ``noise`` has no column."""
        del noise
        return self.cells(self.decoder(conditions))

    def objective(self, batch: ShowerBatch, rng: torch.Generator) -> Objective:
        """Distance from the predicted mean to the shower."""
        del rng
        loss = self.cells.loss(self.decoder(batch.conditions), batch)
        return Objective(loss, {"reconstruction": loss.detach()})

    def phases(self) -> Sequence[Phase]:
        """One network, one update."""
        return (Phase("regression", self.parameters, self.objective),)


@dataclass(frozen=True)
class RegressionConfig:
    """Settings of the regression baseline: the mean shower, without noise.

    Attributes:
        network: ``"mlp"`` for any detector, ``"conv"`` for grids.
        decoder: Hidden units; for ``"conv"`` dense units, then channels.
        cells: ``"poisson"`` or ``"negative-binomial"`` for counts, ``"deposits"`` for energies,
            ``"log1p"`` for values.
    """

    network: str = "mlp"
    decoder: tuple[int, ...] = (256, 256)
    cells: str = "poisson"

    def build(self, spec: ShowerSpec) -> MeanRegression:
        """Make the untrained model."""
        cells = cell_head(self.cells, spec)
        return MeanRegression(
            make_decoder(
                self.network,
                spec,
                self.decoder,
                inputs=spec.condition_dim,
                bias=cells.bias(),
            ),
            cells,
        )
