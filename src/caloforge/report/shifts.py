"""Signed means in words: what is too large or too small, and by how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caloforge.metrics import Measured
from caloforge.metrics.assessment import LEVEL
from caloforge.report.numbers import cell

if TYPE_CHECKING:
    from caloforge.metrics import Figure
    from caloforge.report.content import Content

METRIC = "mean_difference"
MEAN_TEST = "mean_shift"
TESTS = (MEAN_TEST, "w1_observable")
N_SHOWN = 3


def shifts_in_words(content: Content, sample: str) -> list[str]:
    """Say how far the total response is off, and the observables that tests reject.

    Nothing if the suite has no signed means.

    Arguments:
        content: What was found.
        sample: Name of a generated sample.
    """
    trial = content.evaluation.trial
    total = trial.shapes[trial.total].name
    found = {
        f.target: f
        for f in content.outcome.figures
        if f.metric == METRIC and f.sample == sample and f.value is not None
    }
    rejected = [
        t
        for t in content.outcome.tests
        if t.sample == sample and t.metric in TESTS and t.p_adjusted <= level(content)
    ]
    differ = {t.target for t in rejected}
    means = {t.target for t in rejected if t.metric == MEAN_TEST}
    lines = []
    if total in found:
        words = _words(
            "the total response", found[total], shifted=total in means, differs=total in differ
        )
        lines.append(words)
    ordered = sorted(rejected, key=lambda t: (-t.excess, t.p_adjusted))
    worst = [name for name in dict.fromkeys(t.target for t in ordered) if name in found]
    lines += [
        _words(_name(content, name), found[name], shifted=name in means, differs=True)
        for name in [name for name in worst if name != total][:N_SHOWN]
    ]
    return lines


def contradicted(content: Content, sample: str) -> bool:
    """Whether a test or a region says that the sample is not equal to full simulation."""
    outcome = content.outcome
    p_values = [t.p_adjusted for t in outcome.tests if t.sample == sample]
    p_values += [r.p_adjusted for r in outcome.regions if r.sample == sample]
    return min(p_values, default=1.0) <= level(content)


def level(content: Content) -> float:
    """Family-wise level of the tests."""
    verdicts = content.outcome.verdicts
    return verdicts[0].level if verdicts else LEVEL


def _words(name: str, figure: Figure, *, shifted: bool, differs: bool) -> str:
    value = figure.value
    if value is None:  # pragma: no cover - chosen to be known
        return name
    unit = f" {value.unit}" if value.unit else ""
    verb = "are" if name.endswith("cells") else "is"
    signed = f"{cell(value, signed=True)}{unit}"
    if shifted and abs(value.value) > 2 * value.error:
        size = Measured(abs(value.value), value.error)
        return f"{name} {verb} {cell(size)}{unit} too {'large' if value.value > 0 else 'small'}"
    if differs:
        return f"{name} {verb} distributed differently, its mean by {signed}"
    return f"{name} has no shift beyond noise on average ({signed})"


def _name(content: Content, target: str) -> str:
    label = content.target_label(target)
    return label[:1].lower() + label[1:]
