"""What a model promises to the rest of the package. Imports nothing of ours."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

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
        rate: Factor of the run's learning rate for this phase.
    """

    name: str
    parameters: Callable[[], Iterable[nn.Parameter]]
    objective: Callable[[ShowerBatch, torch.Generator], Objective]
    rate: float = 1.0


CLUSTERED = ("negative-binomial", "tracks")
"""Laws under which counts come in clusters."""

_MOST_SIZES = 10_000

TRACK_SHAPE = 4.0
"""Shape of the sizes of tracks' clusters, see `CellLaw.cluster_sizes`."""


@dataclass(frozen=True)
class CellLaw:
    """How the cells of a detector are drawn from what a model gives for them.

    Attributes:
        name: ``"poisson"``, independent Poisson counts around an intensity;
            ``"negative-binomial"``, the same with clusters, so that variance over mean is
            `fano`; ``"tracks"``, such clusters whose counts lie in neighbouring cells, too;
            ``"rounding"``, one of the two nearest integers, without bias; energies stay as
            they are. ``"deposits"``, a Poisson number of exponential energies.
        fano: Variance over mean of a cell given its intensity; 1 for Poisson counts. With
            tracks that of the sum of many cells.
        wander: Chance that a count of a track tries to leave its cell.
        reach: Scale of the distance that it goes, in cells.
        electromagnetic: Law of showers of photons and electrons, if they have one of their own.
        columns: Numbers of the condition vector of which one is 1 for these showers.
        deposit: Mean energy of a deposit in each of the model's cells, in the detector's unit,
            ``(cell,)``, for ``"deposits"``.
        twins: Chances that deposits come in pairs, ``(step, ring)``, as of
            `caloforge.data.deposit_twins.DepositTwins`.
        together: Mean number of twins of a deposit in its own layer.
    """

    name: str
    fano: float = 1.0
    wander: float = 0.0
    reach: float = 1.0
    electromagnetic: CellLaw | None = None
    columns: tuple[int, ...] = ()
    deposit: Tensor | None = field(default=None, compare=False)
    twins: Tensor | None = field(default=None, compare=False)
    together: float = 0.0

    @property
    def _odds(self) -> tuple[float, float]:
        """Shape and odds of the sizes of clusters."""
        shape = TRACK_SHAPE if self.name == "tracks" else 0.0
        return shape, (self.fano - 1) / (shape + 1)

    @property
    def clusters_per_count(self) -> float:
        """Clusters for each expected count: the inverse of their mean size."""
        if self.name not in CLUSTERED:
            return 1.0
        shape, odds = self._odds
        if shape == 0:
            return math.log1p(odds) / odds
        return -math.expm1(-shape * math.log1p(odds)) / (shape * odds)

    def cluster_sizes(self, tail: float = 1e-10) -> list[float]:
        r"""Distribution function of the sizes 1, 2, ... of clusters.

        A negative binomial number without its zeros,
        :math:`P(k) \propto \Gamma(k + r) / k! \; (b / (1 + b))^k`, with the odds
        :math:`b = (\varphi - 1) / (r + 1)`: a count has :math:`\varphi - 1` companions on
        average, so that a Poisson number of clusters has the variance :math:`\varphi` times its
        mean. Under ``"negative-binomial"`` :math:`r` is 0, the logarithmic law (Quenouille,
        1949). Under ``"tracks"`` it is `TRACK_SHAPE`: with the long tail of the logarithmic law
        too few cells hold two photons, and too many four or more (docs/experiments.md).

        Under other laws each count is alone.

        Arguments:
            tail: What may be left out at the end.
        """
        if self.name not in CLUSTERED:
            return [1.0]
        shape, odds = self._odds
        ratio, sizes = odds / (1 + odds), 0.0
        function: list[float] = []
        chance = (1 - ratio) ** (shape + 1) / self.clusters_per_count
        while 1 - sizes > tail and len(function) < _MOST_SIZES:
            sizes += chance
            function.append(sizes)
            k = len(function)
            chance *= ratio * (k + shape) / (k + 1)
        return function

    def apart(self, conditions: Any) -> Any:  # noqa: ANN401 - tensors and arrays alike
        """Say which showers follow the law `electromagnetic`.

        Arguments:
            conditions: Scaled conditions, ``(batch, condition)``, a tensor or an array.

        Returns:
            Booleans ``(batch,)``; ``None`` if one law holds for all.
        """
        if self.electromagnetic is None:
            return None
        return (conditions[:, list(self.columns)] > 0.5).any(1)

    def mean_deposit(
        self, cells: Tensor, add: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor | None:
        """Mean energy of a deposit in sums of cells, as `draw_sums` wants it.

        Arguments:
            cells: Expected energies ``(..., cell)``.
            add: What adds up the cells of a layer, linear; ``None`` leaves them as they are.

        Returns:
            As the result of ``add``; ``None`` under other laws than ``"deposits"``.
        """
        if self.deposit is None:
            return None
        if add is None:
            return self.deposit.expand_as(cells)
        sums = add(cells)
        mean = add(cells * self.deposit) / torch.where(sums > 0, sums, 1.0)
        return mean * (1 + self.together / 2)

    def draw_sums(
        self, sums: Tensor, rng: torch.Generator, deposit: Tensor | None = None
    ) -> Tensor:
        """Draw the sum of many cells from the sum of their intensities, of any shape.

        Sums of Poisson or negative binomial counts of one Fano factor follow the same law.
        Tracks are taken to lie within the cells that are summed up. Deposits of different mean
        are taken as exponential about `mean_deposit`, by which a sum keeps its variance.

        Arguments:
            sums: Expected sums.
            rng: Random generator of their device.
            deposit: `mean_deposit`, of the same shape.
        """
        if self.name == "rounding":
            return sums
        if deposit is not None:
            some = torch.where(deposit > 0, deposit, 1.0)
            numbers = torch.poisson(sums / some, generator=rng)
            energies = torch._standard_gamma(numbers.clamp_min(1.0), generator=rng)
            return torch.where(numbers > 0, energies * some, 0.0)
        if self.name in CLUSTERED:
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


@runtime_checkable
class LatentGenerator(ShowerGenerator, Protocol):
    """What `caloforge explain` needs on top: a model with an encoder.

    Showers are generated by way of codes: ``decode(sample_latent(conditions, noise),
    conditions)`` is ``sample(conditions, noise)``. A model without an encoder (a regression, a
    GAN, a flow between noise and showers) lacks these methods and is no `LatentGenerator`.

    Attributes:
        latent_dim: Length of a code.
    """

    latent_dim: int

    def encode(
        self, showers: Tensor, conditions: Tensor, noise: Tensor | None = None
    ) -> Tensor:
        """Map showers ``(batch, cell)`` and conditions to codes ``(batch, latent)``.

        Showers are in the model's frame of cells, as in a `ShowerBatch`. ``noise``, standard
        normal ``(batch, latent)``, draws a code as training draws the codes that are matched
        with generated ones; ``None`` gives the most probable code. An encoder without
        randomness ignores it.
        """
        ...

    def sample_latent(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Map conditions and noise ``(batch, noise_dim)`` to generated codes."""
        ...

    def decode(self, codes: Tensor, conditions: Tensor) -> Tensor:
        """Map codes and conditions to cells ``(batch, cell)``, as `sample` gives them."""
        ...


ACTIVATIONS = {"none": 0, "leaky-relu": 1, "silu": 2}
"""Numbers of the activations of a `DenseLayer`."""

LEAKY_SLOPE = 0.2
"""Slope of ``"leaky-relu"`` below 0."""


class DenseLayer(NamedTuple):
    """A layer of a chain that ends in the amounts of shapes.

    Attributes:
        weight: ``(output, input)``.
        bias: ``(output,)``.
        activation: ``"none"``, ``"silu"``, or ``"leaky-relu"``.
        conditioned: Whether the conditions are joined to what the layer before gives, or to the
            noise, which is given to the first.
    """

    weight: Tensor
    bias: Tensor
    activation: str
    conditioned: bool


class DenseChain(NamedTuple):
    """A model's whole way from conditions and noise to the amounts of shapes.

    Attributes:
        layers: In their order; the last gives the logarithms of the amounts.
        low: They are cut off below this.
        high: And above this.
    """

    layers: Sequence[DenseLayer]
    low: float
    high: float


@runtime_checkable
class ShapeGenerator(ShowerGenerator, Protocol):
    """A model whose showers may be sums of a few shapes: their hits are drawn one by one.

    ``amounts(conditions, noise) @ shapes()`` is ``sample(conditions, noise)``. Generation then
    computes no cell that is not hit.
    """

    def shapes(self) -> Tensor | None:
        """Chance of each cell for a hit of each shape, ``(shape, cell)``, rows sum to 1.

        ``None`` if its settings make it a model of another kind, to be asked for cells.
        """
        ...

    def amounts(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Map conditions and noise to the expected counts of each shape, ``(batch, shape)``."""
        ...

    def amount_chain(self) -> DenseChain | None:
        """`amounts` as a chain of dense layers, if it is one: faster for a single shower."""
        ...


class TrainableGenerator(ShowerGenerator, Protocol):
    """What the training loop needs on top."""

    def phases(self) -> Sequence[Phase]:
        """Return the updates that make up one training step, in order."""
        ...
