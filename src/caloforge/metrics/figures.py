"""What a metric is and what it returns: the same few records for every metric."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from caloforge.metrics.statistics.distances import Measured

GROUPS = {
    "talk": "Channel sums",
    "one-dimensional": "One observable at a time",
    "multivariate": "All observables, all cells at once",
    "conditional": "Repeated showers of one particle",
    "tests": "Permutation tests: labels exchanged within the particle",
    "physics": "Physics analysis",
    "speed": "Speed",
}


@dataclass(frozen=True)
class Definition:
    """A metric in words, for the report, ``metrics.json`` and docs/metrics.md.

    Attributes:
        name: Key, e.g. ``"separation_power"``.
        label: Short name for tables.
        group: Key of `GROUPS`.
        unit: ``""`` for none, ``"response"`` for the unit of a cell, ``"target"`` for that of
            the observable, else the unit itself.
        ideal: What a perfect generator reaches: ``"floor"`` or a number as text.
        range: Possible values, e.g. ``"0 to 1"``.
        meaning: One sentence: definition, and which sign or size is bad.
        source: Where it comes from.
        bias: What a finite sample does to it.
        blind: What it cannot see.
        headline: Whether it belongs into the first table of a report.
    """

    name: str
    label: str
    group: str
    unit: str
    ideal: str
    range: str
    meaning: str
    source: str
    bias: str
    blind: str
    headline: bool = False

    @property
    def in_response_unit(self) -> bool:
        """Whether it carries the unit of the cells."""
        return self.unit == "response"

    @property
    def ideal_value(self) -> float | None:
        """The ideal as a number; ``None`` if it is the floor."""
        return None if self.ideal == "floor" else float(self.ideal)


@dataclass(frozen=True, eq=False)
class Figure:
    """One number of one generated sample, with the floor beside it.

    Attributes:
        metric: Name of its `Definition`.
        target: What it is of: a channel, an observable, a region; ``""`` for the whole.
        sample: Name of the generated sample.
        value: Estimate with its error; ``None`` where it cannot be defined.
        floor: Full simulation against itself: same estimator, same size; ``None`` if there is
            no such thing, as for a speed.
        n: Showers on either side of the estimator.
        tolerance: Largest acceptable distance from the ideal, where a pass is asked for.
        p: Permutation p-value of the test of this quantity with all showers, if there is one.
        p_adjusted: The same, adjusted for all tests of the comparison.
        note: What else must be said, e.g. ``"5 folds, 2 seeds"``.
        replicas: Estimates in all resamplings ``(1 + resampling,)``, for differences between
            samples; not written to files.
    """

    metric: str
    target: str
    sample: str
    value: Measured | None
    floor: Measured | None
    n: int
    tolerance: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    note: str = ""
    replicas: NDArray[np.float64] | None = field(default=None, repr=False)

    def passed(self, ideal: float) -> bool | None:
        """Whether it is as close to its ideal as asked; ``None`` if nothing is asked."""
        if self.tolerance is None or self.value is None:
            return None
        return bool(abs(self.value.value - ideal) <= self.tolerance)

    def as_dict(self) -> dict[str, Any]:
        """Return plain strings, numbers and tables, for JSON."""
        table = {
            key: getattr(self, key)
            for key in (
                "metric",
                "target",
                "sample",
                "n",
                "tolerance",
                "p",
                "p_adjusted",
                "note",
            )
        }
        for key, measured in (("value", self.value), ("floor", self.floor)):
            table[key] = None if measured is None else measured.as_dict()
        return table


def headlines(figures: Sequence[Figure], definitions: Mapping[str, Definition]) -> list[Figure]:
    """The figures that a reader looks for first, as far as they are defined.

    Of each headline metric that of the whole; where there is none, as for a classifier of
    observables or of cells, that of its first target. Physics figures of single bins are not
    for a headline.
    """
    targets: dict[str, list[str]] = {}
    for figure in figures:
        definition = definitions.get(figure.metric)
        if definition is None or not definition.headline or figure.value is None:
            continue
        if definition.group != "physics" or figure.target == "":
            targets.setdefault(figure.metric, []).append(figure.target)
    shown = {name: "" if "" in found else found[0] for name, found in targets.items()}
    return [f for f in figures if shown.get(f.metric) == f.target]


@dataclass(frozen=True)
class Curve:
    """Points of one line of a picture; curves of one ``name`` are drawn into one picture.

    Attributes:
        name: Key of the picture, e.g. ``"w1_against_n"``.
        title: Headline of the picture.
        caption: What is drawn and what to look for.
        panel: Title of the panel, where a picture has several; else ``""``.
        sample: Name of the generated sample, ``"full simulation"`` or ``"floor"``.
        x: Abscissae.
        y: Values.
        error: Errors of the values, or empty.
        x_label: Name and unit of x.
        y_label: Name and unit of y.
        log_x: Whether the x axis is logarithmic.
        log_y: Whether the y axis is logarithmic.
        style: ``"points"`` with a line, or ``"steps"``: then x are the edges of the bins, one
            more than values.
    """

    name: str
    title: str
    caption: str
    panel: str
    sample: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    error: tuple[float, ...]
    x_label: str
    y_label: str
    log_x: bool = False
    log_y: bool = False
    style: str = "points"

    def as_dict(self) -> dict[str, Any]:
        """Return plain strings, numbers and lists, for JSON."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }


@dataclass(frozen=True, eq=False)
class Scores:
    """A number for each shower that should not know where the shower comes from.

    No shower may have a share in the rule that scored it, nor another shower of its particle,
    and rules must go one way: if the showers of two particles score each other, permuted labels
    understate the spread (`classifier.one_way`). Then labels are exchangeable within a particle
    if the generator is right, and the rank sum of the scores has a permutation p-value.

    Attributes:
        metric: Metric that they belong to.
        target: Its target.
        sample: Name of the generated sample.
        reference: Score of each shower of the trial's reference, ``(n,)``.
        generated: Score of each shower of the generated side, ``(m,)``.
    """

    metric: str
    target: str
    sample: str
    reference: NDArray[np.float64]
    generated: NDArray[np.float64]


@dataclass(frozen=True)
class Finding:
    """What one section of a suite returns.

    Attributes:
        figures: Numbers.
        curves: Lines of pictures.
        scores: Scores of showers, to be tested.
    """

    figures: Sequence[Figure] = ()
    curves: Sequence[Curve] = ()
    scores: Sequence[Scores] = ()
