"""Evaluations of toys, made once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from caloforge.metrics import Curve, Definition, Figure, Measured
from caloforge.metrics.assessment import Assessment, Difference
from caloforge.metrics.regions import find_regions
from caloforge.metrics.results import METRICS
from caloforge.metrics.settings import Settings
from caloforge.metrics.statistics.exchange import EXCHANGE_DEFINITIONS, exchange_tests
from caloforge.metrics.verdicts import give_verdict
from caloforge.report import Evaluation, evaluate_samples

TOY = Definition(
    name="toy_response",
    label="Response <toy>",
    group="physics",
    unit="",
    ideal="1",
    range="0 upwards",
    meaning="Mean total response over that of the full simulation.",
    source="this test",
    bias="none",
    blind="everything else.",
    headline=True,
)


def assess(evaluation: Evaluation) -> Evaluation:
    """Add what a suite would: its parts with the least work, and one metric of ours."""
    trial, settings = evaluation.trial, Settings(n_bootstrap=20, n_permutations=199)
    names = [side.name for side in trial.generated]
    tests = {
        side.name: exchange_tests(trial, side, (), settings, np.random.default_rng(1))
        for side in trial.generated
    }
    expected = trial.reference.observables[:, trial.total].mean()
    figures = [
        Figure(
            "toy_response",
            target,
            side.name,
            Measured(side.observables[:, trial.total].mean() / expected, 0.01),
            Measured(1.0, 0.01),
            len(side),
            tolerance=0.05,
            p=0.5,
            p_adjusted=0.9,
            note="a toy",
        )
        for side in trial.generated
        for target in ("", "gamma")
    ]
    empty = Figure("toy_response", "nothing", names[0], None, None, 0)
    x = tuple(np.geomspace(10, 1000, 6))
    curves = [
        Curve("toy", "A toy of a curve", "Look for <nothing>.", panel, sample, x,
              tuple(1 + 0.1 * k + 0.02 * np.arange(6)), (0.05,) * 6, "E [GeV]", "response",
              log_x=True)
        for panel in ("n", "gamma")
        for k, sample in enumerate(("full simulation", "floor", *names))
    ]  # fmt: skip
    curves += [
        Curve("toy-steps", "Steps", "Edges of bins.", "", sample, x,
              (3.0, 2.0, np.nan, 1.0, 4.0), (), "x", "y", log_y=True, style="steps")
        for sample in ("full simulation", *names)
    ]  # fmt: skip
    differences = ()
    if len(names) > 1:
        apart = Measured(-0.3, 0.05)
        differences = (Difference("w1_ratio", "", names[0], names[1], apart, 1e-4),)
    every = [t for family in tests.values() for t in family]
    return replace(
        evaluation,
        assessment=Assessment(
            suite="toy",
            comparison=evaluation.comparison,
            definitions=(*METRICS.values(), *EXCHANGE_DEFINITIONS, TOY),
            figures=(*evaluation.comparison.figures(), *figures, empty),
            curves=tuple(curves),
            tests=tuple(every),
            verdicts=tuple(give_verdict(name, family) for name, family in tests.items()),
            differences=differences,
            regions=tuple(find_regions(trial, settings, np.random.default_rng(2))),
            seconds=1.5,
        ),
    )


@pytest.fixture(scope="session")
def grid_evaluation(toy_grid, toy_sample) -> Evaluation:
    """A reference against itself drawn anew, and against a sample with showers swapped."""
    reference, faithful = toy_sample(toy_grid, repeats=4), toy_sample(toy_grid, repeats=4)
    rng = np.random.default_rng(5)
    faithful = replace(faithful, showers=rng.poisson(reference.showers.astype(float) * 0.9))
    swapped = replace(reference, showers=reference.showers[rng.permutation(len(reference))])
    return evaluate_samples(reference, {"faithful": faithful, "_swap<b>$": swapped})


@pytest.fixture(scope="session")
def assessed(grid_evaluation: Evaluation) -> Evaluation:
    """The grid with tests, verdicts, regions and curves."""
    return assess(grid_evaluation)


@pytest.fixture(scope="session")
def cylinder_evaluation(toy_cylinder, toy_sample) -> Evaluation:
    """Energies in layers, a sample without fluctuations, one shower of each particle."""
    reference = toy_sample(toy_cylinder, repeats=1)
    dimmer = replace(reference, showers=reference.showers * 0.5, cpu_seconds=None)
    return evaluate_samples(reference, {"dimmer": dimmer})


@pytest.fixture(scope="session")
def cylinder_assessed(cylinder_evaluation: Evaluation) -> Evaluation:
    """The cylinder with tests, verdicts, regions and curves."""
    return assess(cylinder_evaluation)


@pytest.fixture(scope="session")
def report_page(assessed: Evaluation, tmp_path_factory):
    """The page of the grid, written once."""
    from caloforge.report import write_report

    folder = tmp_path_factory.mktemp("report") / "grid"
    history = folder.parent / "history.csv"
    history.write_text("epoch,step,train/total,validation/total\n0,0,9,\n0,10,3,4\n1,20,2,3\n")
    return write_report(
        assessed,
        folder,
        history=history,
        figures="png",
        provenance={"training": {"steps": 20, "machine": {"cores": 2}}},
    )
