"""Suites: which metrics are computed, with how much work, and in which order."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from caloforge.errors import ConfigError, did_you_mean
from caloforge.metrics.assessment import Assessment
from caloforge.metrics.compare import compare
from caloforge.metrics.conditional import coactivation, diversity, quantiles, response
from caloforge.metrics.multivariate import (
    challenge,
    classifier,
    feature_networks,
    frechet,
    kernels,
    manifold,
    memorisation,
    sample_size,
    sliced,
)
from caloforge.metrics.one_dimensional import correlations, histograms, means
from caloforge.metrics.physics import impact, neutrons, peaks, speed, towers
from caloforge.metrics.regions import find_regions
from caloforge.metrics.results import METRICS
from caloforge.metrics.settings import Settings
from caloforge.metrics.statistics.exchange import EXCHANGE_DEFINITIONS, exchange_tests
from caloforge.metrics.verdicts import differences, give_verdict, with_p_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from caloforge.data import ShowerSample
    from caloforge.geometry import DetectorGeometry
    from caloforge.metrics.figures import Curve, Definition, Figure, Finding, Scores
    from caloforge.metrics.samples.trial import Trial

    Measure = Callable[[Trial, Settings, np.random.Generator], Finding]
    Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Section:
    """A part of a suite.

    Attributes:
        title: What the progress bar says.
        measure: Computes it.
        definitions: Of the metrics that it returns.
        scores: Whether it scores showers for the permutation tests.
    """

    title: str
    measure: Measure
    definitions: tuple[Definition, ...] = ()
    scores: bool = False


@dataclass(frozen=True)
class Suite:
    """A choice of metrics.

    Attributes:
        meaning: For ``--help``.
        settings: Sizes.
        sections: Beyond the talk's and conditional metrics and the tests, which all have.
    """

    meaning: str
    settings: Settings
    sections: tuple[Section, ...]


_OBSERVABLES = (
    Section("means of every observable", means.mean_differences, means.DEFINITIONS),
    Section(
        "histograms of every observable",
        histograms.histogram_distances,
        histograms.DEFINITIONS,
    ),
    Section(
        "correlations of observables",
        correlations.correlation_distances,
        correlations.DEFINITIONS,
    ),
)
_CONDITIONAL = (
    Section("quantiles of every particle", quantiles.pit, quantiles.DEFINITIONS),
    Section("neighbouring channels", coactivation.coactivation, coactivation.DEFINITIONS),
    Section("variety of repeated showers", diversity.diversity, diversity.DEFINITIONS),
    Section("response and resolution", response.response, response.DEFINITIONS),
)
_MULTIVARIATE = (
    Section("kernel distances", kernels.kernel_section, kernels.DEFINITIONS),
    Section("Frechet distances", frechet.frechet_section, frechet.DEFINITIONS),
    Section("dependence on the sample size", sample_size.sample_size_section),
)
_SHAPES = (
    Section("precision, recall, coverage", manifold.manifold_section, manifold.DEFINITIONS),
    Section("sliced Wasserstein distance", sliced.sliced_section, sliced.DEFINITIONS),
    Section("features of networks", feature_networks.fid_section, feature_networks.DEFINITIONS),
)
_TREES = (
    Section(
        "classifier of observables",
        classifier.observables_classifier_section,
        classifier.DEFINITIONS,
        scores=True,
    ),
)
_NETWORKS = (
    Section(
        "classifiers of cells",
        classifier.networks_classifier_section,
        classifier.DEFINITIONS,
        scores=True,
    ),
)
_CHALLENGE = (
    Section(
        "classifiers of the CaloChallenge",
        challenge.challenge_classifiers,
        challenge.DEFINITIONS,
    ),
)
_PEAKS = (Section("peaks, resolution, linearity", peaks.single_particles, peaks.DEFINITIONS),)
_TOWERS = (
    Section("energy sharing of towers", towers.energy_sharing, towers.DEFINITIONS),
    Section("impact points from towers", impact.impact_points, impact.DEFINITIONS),
    Section("events of several neutrons", neutrons.several_neutrons, neutrons.DEFINITIONS),
)
_MEMORY = (
    Section("memorised showers", memorisation.memorisation, memorisation.DEFINITIONS, True),
)
_SPEED = (Section("speed", speed.speed, speed.DEFINITIONS),)

_QUICK = (*_OBSERVABLES, *_CONDITIONAL, *_MEMORY, *_SPEED)
_ZDC = (*_QUICK, *_MULTIVARIATE, *_SHAPES, *_TREES, *_PEAKS, *_TOWERS)

SUITES: Mapping[str, Suite] = {
    "quick": Suite(
        "channels, observables, repeats, tests: seconds",
        Settings(n_bootstrap=100, n_permutations=499, n_seeds=1, max_showers=2000),
        _QUICK,
    ),
    "zdc": Suite(
        "quick, with all observables at once, classifiers, FID, towers, neutrons: a minute",
        Settings(n_bootstrap=200, n_permutations=999, n_seeds=2, max_showers=5000),
        _ZDC,
    ),
    "calochallenge": Suite(
        "quick, with the metrics and the exact classifiers of the CaloChallenge: minutes",
        Settings(n_bootstrap=200, n_permutations=999, n_seeds=2, max_showers=10000),
        (*_QUICK, *_MULTIVARIATE, *_SHAPES, *_TREES, *_CHALLENGE, *_PEAKS),
    ),
    "full": Suite(
        "zdc, with classifiers on cells: minutes",
        Settings(n_bootstrap=200, n_permutations=999, n_seeds=3, max_showers=10000),
        (*_ZDC, *_NETWORKS),
    ),
}
DEFINITIONS: Mapping[str, Definition] = {
    definition.name: definition
    for definition in (
        *METRICS.values(),
        *(d for suite in SUITES.values() for part in suite.sections for d in part.definitions),
        *EXCHANGE_DEFINITIONS,
    )
}


def find_suite(name: str | None, geometry: DetectorGeometry) -> str | None:
    """Check the name of a suite; ``"auto"`` is ``zdc`` for a grid, else ``calochallenge``.

    Raises:
        ConfigError: If there is no such suite.
    """
    if name == "auto":
        return "zdc" if geometry.kind == "grid" else "calochallenge"
    if name is not None and name not in SUITES:
        msg = f"suite: found no '{name}'; {did_you_mean(name, tuple(SUITES))}"
        raise ConfigError(msg)
    return name


def assess(
    trial: Trial,
    suite: str,
    *,
    seed: int = 0,
    network: Path | None = None,
    training: ShowerSample | None = None,
    verdict_only: bool = False,
    say: Say | None = None,
) -> Assessment:
    """Run a suite: figures with errors and floors, tests, verdicts, differences, regions.

    Arguments:
        trial: What is compared.
        suite: One of `SUITES`.
        seed: Of resamplings, permutations and classifiers. Every section has a stream of its
            own, so its figures do not depend on which others are run.
        network: ONNX file of a feature network for a further FID.
        training: Showers that the generators were trained on, for the memorisation check.
        verdict_only: Leave out what has no part in the verdict: sections without scores,
            regions, all but one training of a classifier, most resamplings.
        say: Called with the title of each step, its number from 0, and how many there are.

    Raises:
        ConfigError: If the network's file cannot be used.
    """
    started = time.monotonic()
    chosen = SUITES[suite]
    settings = replace(chosen.settings, network=network, training=training)
    if verdict_only:
        settings = replace(settings, n_seeds=1, n_bootstrap=10)
    sections = [s for s in chosen.sections if s.scores or not verdict_only]
    n_steps = 2 + len(sections) + len(trial.generated)
    steps = iter(range(n_steps))

    def stream(title: str) -> np.random.Generator:
        if say is not None:
            say(title, next(steps), n_steps)
        return np.random.default_rng([seed, *title.encode()])

    comparison = compare(
        trial, rng=stream("channel sums and repeats"), n_bootstrap=settings.n_bootstrap
    )
    figures: list[Figure] = comparison.figures()
    curves: list[Curve] = []
    scores: list[Scores] = []
    for section in sections:
        finding = section.measure(trial, settings, stream(section.title))
        figures += finding.figures
        curves += finding.curves
        scores += finding.scores
    tests = []
    labels = {name: definition.label for name, definition in DEFINITIONS.items()}
    for side in trial.generated:
        # The same permutations for every sample: names play no part in the verdict.
        rng = stream("permutation tests")
        tests.append(exchange_tests(trial, side, scores, settings, rng, labels))
    regions = [] if verdict_only else find_regions(trial, settings, stream("regions"))
    every = [test for family in tests for test in family]
    return Assessment(
        suite=suite,
        comparison=comparison,
        definitions=tuple(DEFINITIONS.values()),
        figures=tuple(with_p_values(figures, every)),
        curves=tuple(curves),
        tests=tuple(every),
        verdicts=tuple(
            give_verdict(side.name, family)
            for side, family in zip(trial.generated, tests, strict=True)
        ),
        differences=differences(figures, DEFINITIONS),
        regions=tuple(regions),
        seconds=time.monotonic() - started,
    )
