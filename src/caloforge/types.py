"""What a model promises to the rest of the package. Imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torch import Tensor, nn


class ShowerBatch(NamedTuple):
    """Showers with their conditions, as a model sees them.

    Attributes:
        showers: Cell responses in the detector's unit after the data transforms' permutation of
            cells, ``(batch, cell)``: counts or energies, not yet logarithms.
        conditions: Scaled features of the incident particle, ``(batch, condition)``.
        incident: Incident particle of each shower, ``(batch,)``; equal ids are independent
            showers of the same particle.
        near: 1 for the cells that a model has to answer for, 0 for the others, in which
            `showers` is 0, ``(batch, cell)``.
    """

    showers: Tensor
    conditions: Tensor
    incident: Tensor
    near: Tensor


class Objective(NamedTuple):
    """What one phase minimises.

    Attributes:
        total: Scalar to differentiate.
        terms: Unweighted parts by name, detached, for the log.
    """

    total: Tensor
    terms: Mapping[str, Tensor]


@dataclass(frozen=True)
class Phase:
    """One optimiser update: these parameters go down this objective.

    An autoencoder has one phase; a GAN has two that alternate. The training loop runs the
    phases of a model in order and knows nothing else about it.

    Attributes:
        name: Prefix of the logged terms, e.g. ``"discriminator"``.
        parameters: Returns the parameters that this phase alone may change.
        objective: Maps a batch and a random generator to the objective.
    """

    name: str
    parameters: Callable[[], Iterable[nn.Parameter]]
    objective: Callable[[ShowerBatch, torch.Generator], Objective]


@dataclass(frozen=True)
class CellLaw:
    """How the cells of a count detector are drawn from what a model gives for them.

    Attributes:
        name: ``"poisson"``, independent Poisson counts around an intensity;
            ``"negative-binomial"``, the same with clusters, so that variance over mean is
            `fano`; ``"rounding"``, one of the two nearest integers, without bias.
        fano: Variance over mean of a cell given its intensity; 1 for Poisson counts.
    """

    name: str
    fano: float = 1.0

    def draw_sums(self, sums: Tensor, rng: torch.Generator) -> Tensor:
        """Draw the sum of many cells from the sum of their intensities, of any shape.

        Sums of Poisson or negative binomial counts of one Fano factor follow the same law.
        """
        if self.name == "rounding":
            return sums
        if self.name == "negative-binomial":
            excess = self.fano - 1
            sums = torch._standard_gamma(sums / excess, generator=rng) * excess
        return torch.poisson(sums, generator=rng)


class ShowerGenerator(Protocol):
    """What generation, evaluation and export need from a model, and all they need.

    Attributes:
        noise_dim: Length of the noise vector; may be 0.
    """

    noise_dim: int

    @property
    def cell_law(self) -> CellLaw:
        """The law; it may have learned parameters."""
        ...

    def sample(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Map conditions ``(batch, condition)`` and noise ``(batch, noise_dim)`` to cells.

        The noise is standard normal. The result ``(batch, cell)`` is non-negative and in the
        detector's unit: cell values, or the expected counts of a count distribution. It depends
        on nothing else: two calls with equal arguments give equal showers.
        """
        ...


class TrainableGenerator(ShowerGenerator, Protocol):
    """What the training loop needs on top."""

    def phases(self) -> Sequence[Phase]:
        """Return the updates that make up one training step, in order."""
        ...
