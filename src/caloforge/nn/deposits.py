"""Cells of a sampling calorimeter: sums of the energies that single particles leave."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from caloforge.data.deposit_twins import STEPS, DepositTwins
from caloforge.errors import ConfigError
from caloforge.nn.cells import IntensityCells
from caloforge.types import CellLaw

if TYPE_CHECKING:
    from caloforge.nn.spec import ShowerSpec
    from caloforge.types import ShowerBatch

# Mean energy of a deposit over the mean lit cell: where training starts, and its limits.
_LOG_START, _LOG_LIMITS = -1.0, (-7.0, 3.0)
# Expected cells are cut off here, in logarithms of the mean lit cell.
_LOG_CELL = (-20.0, 12.0)


class DepositCells(IntensityCells):
    r"""Cells are energies: a Poisson number of deposits, each of an exponential energy.

    Whether a cell is hit at all, and by how much, follow from one number a shower. Outputs are
    the logarithm of the mean energy :math:`\mu`; the mean energy :math:`\theta` of a deposit
    is learned for each cell, as a depart from one that all share. No deposit falls into a cell
    with the chance :math:`e^{-\mu / \theta}`, else its energy has the density

    .. math::
        p(x) = \frac{1}{\theta} \sqrt{\frac{\mu}{x}}\,
            I_1\!\left(\frac{2 \sqrt{\mu x}}{\theta}\right)
            e^{-(\mu + x) / \theta},

    of which the variance is :math:`2 \theta \mu`: Tweedie's law of power 3/2. As deposits of
    one particle lie in neighbouring cells, too, this is not quite the law of a shower, and its
    likelihood would draw light into the core. So it teaches :math:`\theta` alone. Means are
    found by the quasi-likelihood of that variance,

    .. math:: \sum_\mathrm{cells} \frac{\mu - x \log \mu}{2 \theta},

    right whatever the law (Gourieroux, Monfort and Trognon, 1984). Its value is the loss.

    Arguments:
        spec: Sizes, the mean shower and the mean lit cell.

    Raises:
        ConfigError: If the detector counts, or its cells have a largest value.

    References:
        | An index which distinguishes between some important exponential families
        | (Tweedie, 1984), Statistics: Applications and New Directions, 579
    """

    def __init__(self, spec: ShowerSpec) -> None:
        super().__init__(spec)
        if spec.counts or spec.maximum is not None:
            found, cure = "that counts", "'poisson' or 'negative-binomial'"
            if not spec.counts:
                found, cure = "whose cells have a largest value", "'bounded' or 'log1p'"
            msg = f"model.cells: found 'deposits' for a detector {found}, expected {cure}"
            raise ConfigError(msg)
        self.register_buffer("scale", torch.tensor(spec.cell_scale))
        self.log_deposit = nn.Parameter(torch.tensor(_LOG_START))
        self.log_departure = nn.Parameter(torch.zeros(spec.n_cells))

    @property
    def unit(self) -> Tensor:
        """Mean lit cell of the training showers, in the detector's unit."""
        return self.get_buffer("scale")

    def deposit(self) -> Tensor:
        """Mean energy of a deposit in each cell over the mean lit cell, ``(cell,)``."""
        return (self.log_deposit + self.log_departure).clamp(*_LOG_LIMITS).exp()

    def law(self) -> CellLaw:
        """Deposits of exponential energy."""
        return CellLaw("deposits", deposit=(self.unit * self.deposit()).detach())

    def forward(self, outputs: Tensor) -> Tensor:
        """Expected energy of each cell, in the detector's unit."""
        means: Tensor = self._log_means(outputs).exp() * self.unit
        return means

    def loss(self, outputs: Tensor, batch: ShowerBatch) -> Tensor:
        """Quasi-likelihood, summed over near cells, mean over the batch."""
        log_mean, x = self._log_means(outputs), batch.showers / self.unit
        terms = (log_mean.exp() * batch.near - x * log_mean) / (2 * self.deposit().detach())
        means = terms.sum(dim=1).mean()
        likelihood = self._likelihood(log_mean.detach(), x, batch.near)
        return means + likelihood - likelihood.detach()

    def _log_means(self, outputs: Tensor) -> Tensor:
        return (outputs - self.unit.log()).clamp(*_LOG_CELL)

    def _likelihood(self, log_mean: Tensor, x: Tensor, near: Tensor) -> Tensor:
        """Negative log likelihood of cells in units of the mean lit one, mean over batch."""
        deposit = self.deposit().expand_as(x)
        empty = (log_mean.exp() * near / deposit).sum()
        # Most cells are empty: the Bessel function is needed for the others alone.
        lit = x > 0
        log_x, log_mu, theta = x[lit].log(), log_mean[lit], deposit[lit]
        z = 2 * ((log_x + log_mu) / 2).exp() / theta
        # Scaled by exp(-z): the number itself would not fit.
        bessel = torch.special.i1e(z).log() + z
        per_lit = (log_mu - log_x) / 2 - theta.log() + bessel - log_x.exp() / theta
        loss: Tensor = (empty - per_lit.sum()) / len(x)
        return loss


class DepositTrackCells(DepositCells):
    """Deposits that come in pairs in neighbouring cells, as those of a particle do.

    A single cell follows the law of `DepositCells`, and is learned as there. Which deposits are
    twins is measured before training (`DepositTwins`), not learned.

    Arguments:
        spec: Sizes, the mean shower, the mean lit cell and the measured twins; without them,
            as when weights are about to be loaded, none.
    """

    def __init__(self, spec: ShowerSpec) -> None:
        super().__init__(spec)
        twins = spec.tracks if isinstance(spec.tracks, DepositTwins) else None
        chances = np.zeros((len(STEPS), spec.rings)) if twins is None else twins.chances
        self.register_buffer("twins", torch.from_numpy(chances).float())
        self.register_buffer("together", torch.tensor(0.0 if twins is None else twins.together))

    def law(self) -> CellLaw:
        """Deposits, some of them in pairs."""
        together = self.get_buffer("together").item()
        return replace(super().law(), twins=self.get_buffer("twins"), together=together)
