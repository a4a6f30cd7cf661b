"""What a suite found: figures, tests, verdicts, and where a generator fails."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caloforge.metrics.figures import Curve, Definition, Figure
    from caloforge.metrics.results import Comparison
    from caloforge.metrics.statistics.distances import Measured

LEVEL = 0.01
COMPATIBLE = "compatible with full simulation"


@dataclass(frozen=True)
class Test:
    """One permutation test of one generated sample.

    Attributes:
        metric: Name of the `Definition` of the statistic.
        target: What it is of: a channel, an observable; ``""`` for the whole.
        sample: Name of the generated sample.
        label: For people, e.g. ``"W1 of the photon sum"``.
        statistic: From the samples as they are.
        floor: Mean of the statistic between random parts of the reference's showers of each
            particle, scaled to the size of the test: full simulation against itself. Without
            repeats of the reference: its mean with labels permuted within the particles, which
            is larger the worse the generator is.
        p: Permutation p-value.
        p_adjusted: The same, adjusted for all tests of the sample.
        excess: ``statistic / floor - 1``: worse by so many floors.
    """

    __test__ = False  # no test of ours: pytest collects what is called so

    metric: str
    target: str
    sample: str
    label: str
    statistic: float
    floor: float
    p: float
    p_adjusted: float
    excess: float


@dataclass(frozen=True)
class Verdict:
    """What all tests together say of one generated sample.

    Attributes:
        sample: Name of the generated sample.
        compatible: Whether no test rejects it.
        text: ``"compatible with full simulation"`` or ``"worse than full simulation by X
            floors"``.
        worst: The rejecting test with the largest excess; ``None`` if there is none.
        n_tests: Number of tests.
        n_rejected: How many of them reject.
        level: Family-wise level.
    """

    sample: str
    compatible: bool
    text: str
    worst: Test | None
    n_tests: int
    n_rejected: int
    level: float = LEVEL


@dataclass(frozen=True)
class Difference:
    """A figure of one generated sample minus that of another, same particles.

    Attributes:
        metric: Name of its `Definition`.
        target: What it is of; ``""`` for the whole.
        first: Name of a generated sample.
        second: Name of the other one.
        difference: First minus second, with the error of the paired bootstrap.
        p: Probability of a difference as large if they are equally good.
    """

    metric: str
    target: str
    first: str
    second: str
    difference: Measured
    p: float


@dataclass(frozen=True)
class Region:
    """Particles of one kind within a range of energies.

    Attributes:
        sample: Name of the generated sample.
        kind: Name of the particle, or ``"other"`` for rare ones together.
        low_gev: Least energy of a particle in it.
        high_gev: Largest energy of a particle in it.
        n: Number of incident particles.
        ratio: W1 of the total response over its floor; ``None`` where the floor is 0.
        bias: Mean total response, generated over full simulation, minus 1; ``None`` where the
            full simulation has no response.
        p: Permutation p-value of W1 of the total response.
        p_adjusted: The same, adjusted for all regions of the sample.
        score: Excess over the floor, times one minus ``p_adjusted``: orders the regions.
        reference_rows: Example showers, rows of the trial's reference.
        generated_rows: Showers of the same particles, rows of the generated side.
        images: Whether it is of images: kinds are labels, and energies say nothing.
    """

    sample: str
    kind: str
    low_gev: float
    high_gev: float
    n: int
    ratio: Measured | None
    bias: Measured | None
    p: float
    p_adjusted: float
    score: float
    reference_rows: tuple[int, ...] = ()
    generated_rows: tuple[int, ...] = ()
    images: bool = False

    @property
    def label(self) -> str:
        """Kind and energies in words, e.g. ``"n, 100 to 200 GeV"``; of images ``"label 3"``."""
        if self.images:
            return self.kind
        low, high = f"{self.low_gev:.3g}", f"{self.high_gev:.3g}"
        return f"{self.kind}, {low} GeV" if low == high else f"{self.kind}, {low} to {high} GeV"

    def as_dict(self) -> dict[str, Any]:
        """Return plain strings, numbers and tables, for JSON; without the examples."""
        table = asdict(self)
        return {
            key: value
            for key, value in table.items()
            if key != "images" and not key.endswith("_rows")
        }


@dataclass(frozen=True, eq=False)
class Assessment:
    """The outcome of a suite.

    Attributes:
        suite: Name of the suite.
        comparison: The talk's and the conditional metrics.
        definitions: Of every metric that occurs.
        figures: Numbers.
        curves: Lines of pictures.
        tests: Permutation tests, of all samples.
        verdicts: One for each generated sample.
        differences: Between generated samples.
        regions: By sample, the worst first.
        seconds: Time that it took, in s.
    """

    suite: str
    comparison: Comparison
    definitions: tuple[Definition, ...]
    figures: tuple[Figure, ...]
    curves: tuple[Curve, ...]
    tests: tuple[Test, ...]
    verdicts: tuple[Verdict, ...]
    differences: tuple[Difference, ...]
    regions: tuple[Region, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain strings, numbers, lists and tables, for JSON; without the comparison."""
        return {
            "suite": self.suite,
            "seconds": self.seconds,
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
            "tests": [asdict(test) for test in self.tests],
            "definitions": [asdict(definition) for definition in self.definitions],
            "figures": [figure.as_dict() for figure in self.figures],
            "differences": [asdict(difference) for difference in self.differences],
            "regions": [region.as_dict() for region in self.regions],
            "curves": [curve.as_dict() for curve in self.curves],
        }
