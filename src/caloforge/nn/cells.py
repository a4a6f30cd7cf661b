"""Cell heads: what a decoder's outputs mean, and how they are compared with a shower."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from caloforge.errors import ConfigError
from caloforge.nn.processes import gathered, own
from caloforge.types import CellLaw

if TYPE_CHECKING:
    from caloforge.nn.spec import ShowerSpec
    from caloforge.types import ShowerBatch

# Log intensities are cut off here: exp(12) is 160,000 photons in a cell.
_LOG_MIN, _LOG_MAX = -20.0, 12.0
_SMALLEST_MEAN = 1e-4
# Fano factors from 1.001 to 21; training starts at 1.3.
_LOG_EXCESS = (-7.0, 3.0)
_START_LOG_EXCESS = -1.2


class CellHead(Protocol):
    """Between a decoder's outputs and cells in the detector's unit.

    Attributes:
        intensities: Whether outputs are logarithms of expected counts.
    """

    intensities: ClassVar[bool]

    def law(self) -> CellLaw:
        """How cells become what the detector shows."""
        ...

    def __call__(self, outputs: Tensor) -> Tensor:
        """Cells of the generated shower, ``(batch, cell)``, not negative."""
        ...

    def loss(self, outputs: Tensor, batch: ShowerBatch) -> Tensor:
        """Distance of decoded from true showers: summed over near cells, mean over batch."""
        ...

    def encoded(self, showers: Tensor) -> Tensor:
        """Showers as an encoder or discriminator sees them, ``(batch, cell)``."""
        ...

    def decoded(self, encoded: Tensor) -> Tensor:
        """Showers of which `encoded` would give this; what it never gives becomes valid."""
        ...

    def seen(self, outputs: Tensor, rng: torch.Generator) -> Tensor:
        """A decoder's outputs as `encoded` showers, counts drawn, with a gradient."""
        ...

    def bias(self) -> Tensor:
        """Outputs that give the mean shower, ``(cell,)``: where training starts."""
        ...


class IntensityCells(nn.Module):
    """Outputs are logarithms of expected cells, around which counts or energies are drawn.

    A sharp, sparse texture of cells need not be learned: it is drawn.

    Arguments:
        spec: Sizes and the mean shower.
    """

    intensities: ClassVar[bool] = True

    def __init__(self, spec: ShowerSpec) -> None:
        super().__init__()
        self.register_buffer("mean", spec.mean.clone(), persistent=False)

    @property
    def unit(self) -> Tensor | float:
        """A typical lit cell: 1 for counts."""
        return 1.0

    def law(self) -> CellLaw:
        """How cells are drawn."""
        raise NotImplementedError

    def law_of_one(self) -> CellLaw:
        """How a cell is drawn, if the others do not matter."""
        return self.law()

    def forward(self, outputs: Tensor) -> Tensor:
        """Expected value of each cell."""
        return outputs.clamp(_LOG_MIN, _LOG_MAX).exp()

    def loss(self, outputs: Tensor, batch: ShowerBatch) -> Tensor:
        """Negative log likelihood, summed over near cells, mean over the batch."""
        raise NotImplementedError

    def encoded(self, showers: Tensor) -> Tensor:
        """Logarithm of one plus the cells in their unit."""
        return torch.log1p(showers / self.unit)

    def decoded(self, encoded: Tensor) -> Tensor:
        """Cells, of counts no integers as a rule; negative ones become 0."""
        return self.unit * torch.expm1(encoded.clamp(0.0, _LOG_MAX))

    def seen(self, outputs: Tensor, rng: torch.Generator) -> Tensor:
        """Drawn cells as `encoded`; the gradient takes a drawn cell for its mean."""
        means = self(outputs)
        with torch.no_grad():
            law, every = self.law_of_one(), gathered(means)
            noise = own(law.draw_sums(every, rng, law.mean_deposit(every))) - means
        return self.encoded((means + noise).clamp_min(0))

    def bias(self) -> Tensor:
        """Logarithm of the mean shower."""
        mean: Tensor = self.get_buffer("mean")
        return torch.log(mean + _SMALLEST_MEAN * self.unit)


class PoissonCells(IntensityCells):
    r"""Cells are counts around a decoded intensity.

    Outputs are :math:`\log \lambda`; the loss is the negative log likelihood without the terms
    that do not depend on the model, :math:`\sum_\mathrm{cells} \lambda - x \log \lambda`.

    Arguments:
        spec: Sizes and the mean shower.
    """

    name: ClassVar[str] = "poisson"

    def __init__(self, spec: ShowerSpec) -> None:
        super().__init__(spec)
        if not spec.counts:
            msg = (
                f"model.cells: found '{self.name}' for a detector that measures energies, "
                "expected 'deposits' or 'log1p'; energies are no integers"
            )
            raise ConfigError(msg)

    def law(self) -> CellLaw:
        """Poisson counts."""
        return CellLaw(self.name)

    def loss(self, outputs: Tensor, batch: ShowerBatch) -> Tensor:
        """Negative Poisson log likelihood, summed over near cells, mean over the batch."""
        log_intensity = outputs.clamp(_LOG_MIN, _LOG_MAX)
        terms = log_intensity.exp() * batch.near - batch.showers * log_intensity
        return terms.sum(dim=1).mean()


class NegativeBinomialCells(PoissonCells):
    r"""Cells are counts that come in clusters, as from one track along one fibre.

    Outputs are the logarithm of the mean :math:`\lambda`; the count is negative binomial with
    variance :math:`\varphi \lambda`, one learned Fano factor :math:`\varphi > 1` for all
    cells. With :math:`r = \lambda / (\varphi - 1)` the negative log likelihood is

    .. math::
        \sum_\mathrm{cells} r \log \varphi - x \log \frac{\varphi - 1}{\varphi}
            - \log \frac{\Gamma(x + r)}{\Gamma(r)}

    without the term :math:`\log x!` that no parameter changes. A sum of such cells is negative
    binomial with the same factor; as :math:`\varphi \to 1` the law becomes Poisson's.

    Arguments:
        spec: Sizes and the mean shower.
    """

    name = "negative-binomial"

    def __init__(self, spec: ShowerSpec) -> None:
        super().__init__(spec)
        self.log_excess = nn.Parameter(torch.tensor(_START_LOG_EXCESS))

    def law(self) -> CellLaw:
        """Negative binomial counts."""
        return CellLaw(self.name, float(self.fano().detach()))

    def fano(self) -> Tensor:
        """Variance over mean, above 1."""
        return 1 + self.log_excess.clamp(*_LOG_EXCESS).exp()

    def loss(self, outputs: Tensor, batch: ShowerBatch) -> Tensor:
        """Negative log likelihood, summed over near cells, mean over the batch."""
        fano = self.fano()
        size = outputs.clamp(_LOG_MIN, _LOG_MAX).exp() / (fano - 1)
        # Most cells are empty: the gamma functions are needed for the others alone.
        lit = batch.showers > 0
        x, r = batch.showers[lit], size[lit]
        per_lit = torch.lgamma(x + r) - torch.lgamma(r) + x * ((fano - 1) / fano).log()
        return ((size * batch.near).sum() * fano.log() - per_lit.sum()) / len(batch.showers)


class Log1pCells(nn.Module):
    r"""Cells are values, compared on a logarithmic scale.

    Outputs are :math:`\log(1 + x / s)` with :math:`s` = 1 for counts and the mean lit cell of
    the training showers for energies; the loss is the squared error on that scale.

    Arguments:
        spec: Sizes, the mean shower and the cell scale.
    """

    intensities: ClassVar[bool] = False

    def __init__(self, spec: ShowerSpec) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(1.0 if spec.counts else spec.cell_scale))
        self.register_buffer("mean", spec.mean.clone(), persistent=False)

    def law(self) -> CellLaw:
        """Values are rounded without bias."""
        return CellLaw("rounding")

    def forward(self, outputs: Tensor) -> Tensor:
        """Value of each cell; negative ones become 0."""
        scale: Tensor = self.get_buffer("scale")
        return scale * torch.expm1(outputs.clamp(0.0, _LOG_MAX))

    def loss(self, outputs: Tensor, batch: ShowerBatch) -> Tensor:
        """Squared error of the logarithms, summed over near cells, mean over the batch."""
        error = (outputs - self.encoded(batch.showers)) * batch.near
        return error.square().sum(dim=1).mean()

    def encoded(self, showers: Tensor) -> Tensor:
        """Logarithm of one plus the cells over their scale."""
        return torch.log1p(showers / self.get_buffer("scale"))

    def decoded(self, encoded: Tensor) -> Tensor:
        """Value of each cell; negative ones become 0."""
        cells: Tensor = self(encoded)
        return cells

    def seen(self, outputs: Tensor, rng: torch.Generator) -> Tensor:
        """Outputs, negative ones as 0; those keep a fifth of their gradient."""
        del rng
        leak = leaky_relu(outputs, 0.2)
        return outputs.detach().clamp_min(0.0) + leak - leak.detach()

    def bias(self) -> Tensor:
        """Encoded mean shower."""
        return self.encoded(self.get_buffer("mean"))


class BoundedCells(nn.Module):
    r"""Cells lie between 0 and a largest value, as the grey values of an image.

    Outputs are logits :math:`o`; cells are :math:`m\, \sigma(o)` with the geometry's maximum
    :math:`m`. The loss is the squared error of cells over :math:`m`.

    Arguments:
        spec: Sizes, the mean image and the maximum.
    """

    intensities: ClassVar[bool] = False

    def __init__(self, spec: ShowerSpec) -> None:
        super().__init__()
        if spec.maximum is None:
            msg = (
                "model.cells: found 'bounded' for cells without a largest value, expected "
                "'deposits' for energies or a law of counts; or give the geometry a maximum "
                "under [response]"
            )
            raise ConfigError(msg)
        self.maximum = spec.maximum
        self.register_buffer("mean", spec.mean.clone(), persistent=False)

    def law(self) -> CellLaw:
        """Values are rounded without bias."""
        return CellLaw("rounding")

    def forward(self, outputs: Tensor) -> Tensor:
        """Value of each cell."""
        return self.maximum * outputs.sigmoid()

    def loss(self, outputs: Tensor, batch: ShowerBatch) -> Tensor:
        """Squared error over the maximum's square, summed over near cells, mean over batch."""
        error = (outputs.sigmoid() - self.encoded(batch.showers)) * batch.near
        return error.square().sum(dim=1).mean()

    def encoded(self, showers: Tensor) -> Tensor:
        """Cells over their maximum."""
        return showers / self.maximum

    def decoded(self, encoded: Tensor) -> Tensor:
        """Cells between 0 and their maximum."""
        return self.maximum * encoded.clamp(0.0, 1.0)

    def seen(self, outputs: Tensor, rng: torch.Generator) -> Tensor:
        """Cells over their maximum."""
        del rng
        return outputs.sigmoid()

    def bias(self) -> Tensor:
        """Logits of the mean image, not below one in a thousand of the maximum."""
        mean: Tensor = self.get_buffer("mean")
        return torch.logit(mean / self.maximum, eps=1e-3)
