"""The figures of an evaluation with names for people: what tables and files look up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caloforge.metrics import Definition, Figure
    from caloforge.metrics.assessment import Assessment
    from caloforge.report.evaluate import Evaluation


@dataclass(frozen=True, eq=False)
class Content:
    """An evaluation, to be looked things up in.

    Attributes:
        evaluation: What was compared.
    """

    evaluation: Evaluation

    @cached_property
    def outcome(self) -> Assessment:
        """The outcome of the suite."""
        return self.evaluation.outcome

    @cached_property
    def samples(self) -> list[str]:
        """Names of the generated samples, in the order given."""
        return [row.name for row in self.evaluation.comparison.generated]

    @cached_property
    def definitions(self) -> dict[str, Definition]:
        """Definitions by name."""
        return {d.name: d for d in self.outcome.definitions}

    @cached_property
    def used(self) -> list[Definition]:
        """Definitions of metrics that a figure or test has."""
        named = {f.metric for f in self.outcome.figures} | {
            t.metric for t in self.outcome.tests
        }
        return [d for d in self.outcome.definitions if d.name in named]

    @cached_property
    def targets(self) -> dict[str, str]:
        """Names of channels and observables for people."""
        trial = self.evaluation.trial
        channels = {name: name for name in trial.channels.names}
        return channels | {shape.name: shape.label for shape in trial.shapes}

    def metric_label(self, metric: str) -> str:
        """Name of a metric for people."""
        definition = self.definitions.get(metric)
        return metric.replace("_", " ") if definition is None else definition.label

    def target_label(self, target: str) -> str:
        """Name of a channel, observable or region for people."""
        return self.targets.get(target, target.replace("_", " "))

    def group(self, figure: Figure) -> str:
        """Group of a figure, a key of `GROUPS`."""
        definition = self.definitions.get(figure.metric)
        return "talk" if definition is None else definition.group

    def passed(self, figure: Figure) -> bool | None:
        """Whether a figure is within its tolerance; ``None`` where nothing is asked."""
        definition = self.definitions.get(figure.metric)
        if definition is None:
            return None
        ideal = definition.ideal_value
        if ideal is None:
            ideal = None if figure.floor is None else figure.floor.value
        return None if ideal is None else figure.passed(ideal)

    def distance(self, metric: str, target: str, sample: str) -> float | None:
        """How far a figure is from its ideal."""
        definition = self.definitions.get(metric)
        for figure in self.outcome.figures:
            if (figure.metric, figure.target, figure.sample) != (metric, target, sample):
                continue
            ideal = None if definition is None else definition.ideal_value
            if ideal is None and figure.floor is not None:
                ideal = figure.floor.value
            if ideal is not None and figure.value is not None:
                return abs(figure.value.value - ideal)
        return None
