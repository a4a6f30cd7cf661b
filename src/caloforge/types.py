"""What a model promises to the rest of the package. Imports nothing of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import torch
    from torch import Tensor, nn


class ShowerBatch(NamedTuple):
    """Showers with their conditions, as a model sees them.

    Attributes:
        showers: Cell responses in the detector's unit after the data transforms' permutation of
            cells, ``(batch, cell)``: counts or energies, not yet logarithms.
        conditions: Scaled features of the incident particle, ``(batch, condition)``.
        incident: Incident particle of each shower, ``(batch,)``; equal ids are independent
            showers of the same particle.
    """

    showers: Tensor
    conditions: Tensor
    incident: Tensor


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


class ShowerGenerator(Protocol):
    """What generation, evaluation and export need from a model, and all they need.

    Attributes:
        noise_dim: Length of the noise vector; may be 0.
        cell_law: How a count detector's cells are drawn from `sample`: ``"poisson"`` around an
            intensity, ``"rounding"`` to one of the two nearest integers, without bias.
    """

    noise_dim: int
    cell_law: str

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
