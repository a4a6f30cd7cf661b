r"""Is it full simulation? Every test of a generated sample, as one family.

Labels are exchanged within the incident particle (see `permutation`). Every statistic is a
distance that is 0 or small if generator and full simulation agree:

- ``w1``, ``w1_observable``: Wasserstein distance of a channel sum or observable;
- ``mean_shift``: difference of the means, every particle compared with itself;
- ``particle_shift``: root mean square over particles of the difference of their means;
- ``region_shift``: the same over bins of kind and energy;
- ``spread_shift``: logarithm of the ratio of the spreads of a particle's showers;
- ``cell_shift``: distance of the mean responses of all cells;
- ``line_shift``: distance of the mean responses of rows and columns (grids), or layers;
- ``twins``: showers that equal another one of the sample;
- ``diversity_shift``: logarithm of the ratio of the distances between a particle's showers;
- ``joint_shift``: energy distance of all observables and the conditions at once;
- scores of classifiers and of the memorisation check, where a suite has made them.

Means and spreads of responses are those of :math:`\ln(1 + 10\,x/\langle x\rangle)`: dark and
bright particles count alike.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.geometry import GridLayout
from caloforge.metrics.assessment import Test
from caloforge.metrics.figures import Definition
from caloforge.metrics.multivariate.kernels import permuted_energy
from caloforge.metrics.regions import energy_bins
from caloforge.metrics.statistics import contrasts
from caloforge.metrics.statistics.permutation import p_values, permuted_labels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from caloforge.metrics.figures import Scores
    from caloforge.metrics.samples.trial import Side, Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]

_BY_LABELS = "labels exchanged within the particle: p-values are exact for any sample size"


def _definition(name: str, label: str, meaning: str, blind: str) -> Definition:
    return Definition(
        name=name,
        label=label,
        group="tests",
        unit="",
        ideal="floor",
        range="0 upwards",
        meaning=meaning,
        source="ours; permutation tests as of Westfall and Young (1993)",
        bias=_BY_LABELS,
        blind=blind,
    )


EXCHANGE_DEFINITIONS = (
    _definition(
        "w1_observable",
        "W1",
        "Wasserstein distance of an observable over all showers, in its unit.",
        "whether showers belong to their particles",
    ),
    _definition(
        "mean_shift",
        "Mean shift",
        "Difference of the means, every particle compared with itself; responses as "
        "ln(1 + 10 x / mean).",
        "errors of opposite sign that cancel; fluctuations",
    ),
    _definition(
        "particle_shift",
        "Particle shift",
        "Root mean square over particles of the difference of their means; responses as "
        "ln(1 + 10 x / mean).",
        "shifts smaller than the fluctuations of single particles; fluctuations themselves",
    ),
    _definition(
        "region_shift",
        "Region shift",
        "Root mean square over bins of kind and energy of the difference of the means.",
        "what depends on impact point or angle only; fluctuations",
    ),
    _definition(
        "spread_shift",
        "Spread shift",
        "Size of the logarithm of the ratio of the spreads of a particle's showers.",
        "means; the shape of the fluctuation",
    ),
    _definition(
        "cell_shift",
        "Mean cells",
        "Distance of the mean responses of all cells, in units of their spread.",
        "everything but the mean shower",
    ),
    _definition(
        "line_shift",
        "Rows and columns",
        "Distance of the mean responses of rows and columns, in units of their spread.",
        "everything but the mean projections",
    ),
    _definition(
        "twins",
        "Equal showers",
        "Share of generated showers that equal another generated one in every cell.",
        "copies with the smallest change",
    ),
    _definition(
        "diversity_shift",
        "Diversity",
        "Size of the logarithm of the ratio of the mean distances of a particle's showers, in "
        "square roots of cells.",
        "means; needs repeated showers on either side",
    ),
    _definition(
        "joint_shift",
        "All at once",
        "Root of the energy distance of all observables, channels and conditions, each in "
        "units of its spread.",
        "what the observables do not hold; small shifts of one of many observables",
    ),
)
LABELS = {definition.name: definition.label for definition in EXCHANGE_DEFINITIONS} | {
    "w1": "W1"
}


class _Family:
    """Statistics of one pooled sample, ``(1 + permutation,)`` each, with their names."""

    def __init__(self) -> None:
        self.names: list[tuple[str, str]] = []
        self.values: list[Array] = []

    def add(self, metric: str, targets: Sequence[str], values: Array | None) -> None:
        """Add one column a target; constant ones (nothing to see) are left out."""
        if values is None:
            return
        for target, column in zip(targets, values.T, strict=True):
            if np.ptp(column) > 0:
                self.names.append((metric, target))
                self.values.append(column)


def exchange_tests(
    trial: Trial,
    side: Side,
    scores: Sequence[Scores],
    settings: Settings,
    rng: np.random.Generator,
    labels: Mapping[str, str] = LABELS,
) -> tuple[Test, ...]:
    """Test one generated sample against the reference in every way.

    Arguments:
        trial: The comparison.
        side: One of its generated samples.
        scores: Scores of classifiers; those of other samples are passed over.
        settings: Number of permutations, largest sample for distances.
        rng: Source of the permutations.
        labels: Names of metrics for people, for those of the scores.

    Returns:
        The tests, most significant first.
    """
    reference = trial.reference
    particle = np.concatenate((reference.particle, side.particle))
    order = np.argsort(particle, kind="stable")
    generated = np.arange(particle.size) >= len(reference)
    permuted = permuted_labels(generated[order], particle[order], settings.n_permutations, rng)
    start = np.searchsorted(particle[order], np.arange(trial.n_particles))
    labelling = contrasts.Labelling(permuted, start)

    def pooled(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate((first, second))[order]

    shapes = [k for k, s in enumerate(trial.shapes) if s.headline]
    channels = pooled(reference.channels, side.channels)
    observables = pooled(reference.observables[:, shapes], side.observables[:, shapes])
    names = [trial.shapes[k].name for k in shapes]
    every = (*trial.channels.names, *names)
    values = np.concatenate((channels, observables), axis=1)
    levelled = _levelled(values, trial, shapes)
    showers = pooled(reference.showers, side.showers)
    joint = np.concatenate((levelled, trial.incoming.features()[particle[order]]), axis=1)
    lines, (first, second) = _lines(trial, showers), rng.spawn(2)

    # NumPy lets go of Python's lock in what takes the time: two threads use two cores.
    with ThreadPoolExecutor(max_workers=2) as pool:
        run = pool.submit
        distances = run(contrasts.wasserstein, labelling, values)
        shifts = run(contrasts.shifts, labelling, levelled, _regions(trial))
        spread = run(contrasts.spread, labelling, levelled)
        cells = run(contrasts.cell_shift, labelling, showers)
        diversity = run(contrasts.diversity, labelling, showers, first)
        whole = run(_energy_distance, labelling, joint, settings, second)
        twins = run(contrasts.twins, labelling, showers)
        projections = None if lines is None else run(contrasts.cell_shift, labelling, lines)
    n_channels = len(trial.channels.names)
    family = _Family()
    family.add("w1", trial.channels.names, distances.result()[:, :n_channels])
    family.add("w1_observable", names, distances.result()[:, n_channels:])
    family.add("mean_shift", every, shifts.result().overall)
    family.add("particle_shift", every, shifts.result().particle)
    family.add("region_shift", every, shifts.result().group)
    family.add("spread_shift", every, spread.result())
    family.add("cell_shift", [""], cells.result())
    family.add("line_shift", [""], None if projections is None else projections.result())
    family.add("twins", [""], twins.result())
    family.add("diversity_shift", [""], diversity.result())
    family.add("joint_shift", [""], whole.result())
    for score in scores:
        if score.sample == side.name:
            column = pooled(score.reference, score.generated)
            family.add(score.metric, [score.target], contrasts.rank_shift(labelling, column))
    return _tests(family, side.name, trial, labels)


def _regions(trial: Trial) -> NDArray[np.int64]:
    """Bin of kind and energy of each particle, ``(particle,)``; 0 for those in no bin."""
    number = np.zeros(trial.n_particles, dtype=np.int64)
    for k, part in enumerate(energy_bins(trial.incoming.kind, trial.incoming.energy_gev)):
        number[part.particles] = k + 1
    return number


def _label(metric: str, target: str, trial: Trial, names: Mapping[str, str]) -> str:
    """For people: ``"W1, width x"``."""
    name = names.get(metric, metric)
    labels = {shape.name: shape.label.lower() for shape in trial.shapes}
    return f"{name}, {labels.get(target, target)}" if target else name


def _levelled(values: Array, trial: Trial, shapes: Sequence[int]) -> Array:
    """Channels and observables, with responses as ln(1 + 10 x / mean)."""
    unit = trial.geometry.unit
    response = [True] * len(trial.channels.names)
    response += [trial.shapes[k].unit == unit for k in shapes]
    mean = values.mean(axis=0)
    level = np.log1p(10 * np.abs(values) / np.where(mean > 0, mean, 1.0))
    levelled: Array = np.where(response, level, values)
    return levelled


def _lines(trial: Trial, showers: NDArray[Any]) -> Array | None:
    """Sums along rows and along columns, ``(n, line)``; a cylinder's layers are channels."""
    layout = trial.geometry.layout
    if not isinstance(layout, GridLayout):
        return None
    cells = layout.shaped(showers)
    return np.concatenate((cells.sum(axis=2), cells.sum(axis=1)), axis=1, dtype=np.float64)


def _energy_distance(
    labelling: contrasts.Labelling,
    values: Array,
    settings: Settings,
    rng: np.random.Generator,
) -> Array:
    """Square root of the energy distance, on whole particles up to the largest sample."""
    rows = np.arange(len(values))
    if len(values) > 2 * settings.max_showers:
        share = 2 * settings.max_showers / len(values)
        kept = rng.random(labelling.start.size) < share
        rows = np.flatnonzero(np.repeat(kept, labelling.n))
    spread = values.std(axis=0)
    scaled = (values - values.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    labels = labelling.labels[:, rows]
    n = int(labels[0].sum())
    signs = np.where(labels, 1 / n, -1 / (rows.size - n))
    found: Array = permuted_energy(scaled[rows], signs)
    return np.sqrt(np.maximum(found, 0.0))[:, None]


def _tests(
    family: _Family, sample: str, trial: Trial, labels: Mapping[str, str]
) -> tuple[Test, ...]:
    if not family.values:  # the samples are equal, shower by shower
        return ()
    statistics = np.stack(family.values)
    found = p_values(statistics)
    floor = statistics.mean(axis=1)
    tests = [
        Test(
            metric=metric,
            target=target,
            sample=sample,
            label=_label(metric, target, trial, labels),
            statistic=float(statistics[k, 0]),
            floor=float(floor[k]),
            p=float(found.raw[k]),
            p_adjusted=float(found.adjusted[k]),
            excess=float(statistics[k, 0] / floor[k] - 1),
        )
        for k, (metric, target) in enumerate(family.names)
    ]
    return tuple(sorted(tests, key=lambda test: (test.p_adjusted, test.p, -test.excess)))
