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
- ``copies``: showers that equal a reference shower of their particle;
- ``diversity_shift``: logarithm of the ratio of the distances between a particle's showers;
- ``joint_shift``: energy distance of all observables and the conditions at once;
- ``passing``: share of showers that pass the cut, if there is one;
- scores of classifiers and of the memorisation check, where a suite has made them.

Means and spreads of responses are those of :math:`\ln(1 + 10\,x/\langle x\rangle)`: dark and
bright particles count alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.metrics.assessment import Test
from caloforge.metrics.figures import Definition
from caloforge.metrics.statistics import contrasts
from caloforge.metrics.statistics.permutation import p_values, permuted_labels
from caloforge.metrics.statistics.pooled import Pooled, pool, statistics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from caloforge.metrics.figures import Scores
    from caloforge.metrics.samples.trial import Side, Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]

N_SPLITS = 40
ROUNDING = 1e-6
SHARES = ("twins", "copies")  # do not fall with the size of the samples
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
        "copies",
        "Copies of the reference",
        "Share of generated showers that equal a reference shower of their particle.",
        "copies with the smallest change; copies where each sample has one shower a particle",
    ),
    _definition(
        "diversity_shift",
        "Diversity",
        "Size of the logarithm of the ratio of the mean distances of a particle's showers, in "
        "square roots of cells.",
        "means; needs repeated showers on either side",
    ),
    _definition(
        "passing",
        "Passing the cut",
        "Difference of the share of showers that pass the cut on the total response.",
        "everything but the cut; there is none without a cut",
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
    pooled = pool(trial, side, [score for score in scores if score.sample == side.name], rng)
    permuted = permuted_labels(pooled.generated, pooled.particle, settings.n_permutations, rng)
    seed = int(rng.integers(2**31))
    found = statistics(pooled, permuted, settings, np.random.default_rng(seed))
    found |= _passing(trial, side, settings, rng)
    found = {key: values for key, values in found.items() if _varies(values)}
    if not found:  # the samples are equal, shower by shower
        return ()
    table = np.stack(list(found.values()))
    p = p_values(table)
    floors = reference_floors(pooled, settings, rng)
    tests = []
    for k, (metric, target) in enumerate(found):
        # Without repeats of the reference, and for ranks, which are the same however different
        # the samples are: the permutations, the observed labels left out.
        floor = 0.0 if (metric, target) in pooled.scores else floors.get((metric, target), 0.0)
        floor = floor or float(np.abs(table[k, 1:]).mean())
        floor = floor or 1 / len(side)  # shares that never occur
        tests.append(
            Test(
                metric=metric,
                target=target,
                sample=side.name,
                label=_label(metric, target, trial, labels),
                statistic=float(table[k, 0]),
                floor=floor,
                p=float(p.raw[k]),
                p_adjusted=float(p.adjusted[k]),
                excess=float(table[k, 0]) / floor - 1,
            )
        )
    return tuple(sorted(tests, key=lambda test: (test.p_adjusted, test.p, -test.excess)))


def reference_floors(
    pooled: Pooled, settings: Settings, rng: np.random.Generator
) -> dict[tuple[str, str], float]:
    r"""Every statistic for full simulation against itself.

    The reference's showers of each particle are split at random into two parts, in the
    proportion of generated to reference showers, `N_SPLITS` times. Parts are smaller than the
    samples of the test; the statistics are distances that fall as :math:`1/\sqrt n`, so their
    mean is scaled to the size of the test. (Shares of equal showers are left as they are.)
    Particles with a single reference shower cannot be split; without others there is no floor.
    """
    n = np.bincount(pooled.particle, minlength=pooled.region.size)
    n_generated = np.bincount(pooled.particle[pooled.generated], minlength=n.size)
    n_reference = n - n_generated
    kept = n_reference > 1
    if not kept.any():
        return {}
    part = np.clip(np.round(n_reference * n_generated / n), 1, n_reference - 1)[kept]
    own = pooled.select(~pooled.generated & kept[pooled.particle])
    first = np.searchsorted(own.particle, np.arange(part.size))
    generated = np.arange(own.particle.size) - first[own.particle] < part[own.particle]
    labels = permuted_labels(generated, own.particle, N_SPLITS, rng)[1:]
    found = statistics(own, labels, settings, rng)

    def noise(a: NDArray[Any], b: NDArray[Any]) -> float:
        return float(np.sqrt((1 / a + 1 / b).sum()) / a.size)

    scale = noise(n_generated, n_reference) / noise(part, n_reference[kept] - part)
    return {
        key: float(np.abs(values).mean()) * (1.0 if key[0] in SHARES else scale)
        for key, values in found.items()
    }


def _passing(
    trial: Trial, side: Side, settings: Settings, rng: np.random.Generator
) -> dict[tuple[str, str], Array]:
    """Does the cut keep as many showers? With the showers and particles as before the cut."""
    flags = trial.before_cut.get(side.name)
    if flags is None:
        return {}
    order = np.lexsort((rng.random(flags.particle.size), flags.particle))
    particle = flags.particle[order]
    labels = permuted_labels(flags.generated[order], particle, settings.n_permutations, rng)
    start = np.flatnonzero(np.diff(particle, prepend=-1))
    values = flags.passed[order].astype(np.float64)[:, None]
    return {
        ("passing", ""): contrasts.wasserstein(contrasts.Labelling(labels, start), values)[:, 0]
    }


def _varies(values: Array) -> bool:
    """Whether labels make a difference, beyond rounding."""
    return bool(np.ptp(values) > ROUNDING * np.abs(values).max())


def _label(metric: str, target: str, trial: Trial, names: Mapping[str, str]) -> str:
    """For people: ``"W1, width x"``."""
    name = names.get(metric, metric)
    labels = {shape.name: shape.label.lower() for shape in trial.shapes}
    return f"{name}, {labels.get(target, target)}" if target else name
