r"""Response and resolution by kind, energy and impact point of the incident particle.

.. math:: \mu = \langle E_\mathrm{tot} / E_\mathrm{inc} \rangle, \qquad
          \sigma / \mu = \mathrm{std}(E_\mathrm{tot} / E_\mathrm{inc}) / \mu

over the showers of a region: all particles, one kind, a bin of energy (1-2-5 series), a ring or
a quadrant of the front face. The standard deviation is that of the showers, no fit, so it has
the spread of particles within the region in it; that is the same for both samples, which have
the same particles.

The floor is such a ratio, too, of other showers of the full simulation and its own, in one
draw: over many draws, which exchange the two, it would tend to 1 by symmetry.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.metrics.figures import Curve, Definition, Finding
from caloforge.metrics.samples.trial import REFERENCE
from caloforge.metrics.shower.columns import energy_response
from caloforge.metrics.statistics.bootstrap import draw_counts, ratio
from caloforge.metrics.statistics.draws import draw_chance, make_figures, mean_of_draws
from caloforge.metrics.statistics.floor import Distances
from caloforge.metrics.statistics.parts import MIN_PARTICLES, Part, parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]

RESPONSE = Definition(
    name="response_ratio",
    label="Response, generated / full",
    group="conditional",
    unit="",
    ideal="1",
    range="0 upwards",
    meaning="Mean of total response over incident energy, generated over full simulation, in "
    "a region of kind, energy or impact point.",
    source="Usual; E_tot / E_inc is the CaloChallenge's response (arXiv 2410.21611)",
    bias="Small: a ratio of means, biased by 1/n.",
    blind="The shape of the distribution; opposite errors within the region.",
    headline=True,
)
RESOLUTION = Definition(
    name="resolution_ratio",
    label="Resolution, generated / full",
    group="conditional",
    unit="",
    ideal="1",
    range="0 upwards",
    meaning="Relative standard deviation of total response over incident energy, generated "
    "over full simulation, in a region of kind, energy or impact point. Below 1: too little "
    "spread.",
    source="Usual",
    bias="Small: a ratio of standard deviations, biased by 1/n; far showers weigh heavily.",
    blind="Means; whether the spread is within particles or between them (spread ratio).",
    headline=True,
)
DEFINITIONS = (RESPONSE, RESOLUTION)


def response(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """Ratios of response and resolution in all regions, and both against energy.

    Regions have ten particles or more on either side.
    """
    regions = parts(trial.incoming, at_least=MIN_PARTICLES * (1 if trial.matched else 2))
    member = np.stack([region.inside for region in regions], axis=1)
    values = [energy_response(trial, side) for side in trial.sides]
    counts = draw_counts(trial.n_particles, settings.n_bootstrap, rng)
    k = trial.repeats
    moments: list[list[_Moments]] = []
    ratios: list[list[_Moments]] = []
    for _ in range(settings.n_draws):
        draw = trial.draw(rng)
        first, second = draw.particle[::k], draw.other_particle[::k]
        own = _moments(values[0][draw.reference], k, member[first], counts[:, first])
        others = [
            _moments(table[rows], k, member[second], counts[:, second])
            for table, rows in zip(
                (values[0], *values[1:]), (draw.other, *draw.generated), strict=True
            )
        ]
        moments.append([own, *others])
        ratios.append([_Moments(*map(ratio, other, own)) for other in others])
    names = [region.name for region in regions]
    n = dict(zip(names, (k * member.sum(axis=0)).tolist(), strict=True))
    chance = draw_chance(settings.n_draws, len(counts), rng)
    mean = [_mean(side, chance) for side in zip(*ratios, strict=True)]
    mean[0] = ratios[0][0]  # of one draw: the mean over draws tends to 1 by symmetry
    figures = [
        replace(figure, n=n[figure.target] if trial.matched else n[figure.target] // 2)
        for definition, place in ((RESPONSE, 0), (RESOLUTION, 1))
        for figure in make_figures(
            definition,
            trial,
            Distances(mean[0][place], tuple(m[place] for m in mean[1:])),
            names,
            [""] * len(names),
            n=0,
            distance=False,
        )
    ]
    samples = (REFERENCE, "floor", *(side.name for side in trial.generated))
    curves = _curves(
        regions,
        samples,
        [_mean(side, chance) for side in zip(*moments, strict=True)],
        trial.geometry.unit,
    )
    return Finding(figures=figures, curves=curves)


class _Moments(NamedTuple):
    """Of the showers of every region, in every resampling, ``(1 + resampling, region)``."""

    response: Array
    resolution: Array


def _moments(
    values: Array, repeats: int, member: NDArray[np.bool_], counts: NDArray[np.int64]
) -> _Moments:
    """Mean and relative standard deviation of values that are sorted by particle."""
    of_particle = values.reshape(-1, repeats)
    n = (counts @ member * repeats).astype(np.float64)
    first, second = (
        (counts @ (member * power.sum(axis=1)[:, None])).astype(np.float64)
        for power in (of_particle, of_particle**2)
    )
    mean = ratio(first, n)
    variance = ratio(np.maximum(second - first * np.nan_to_num(mean), 0.0), n - 1)
    variance[n < 2] = np.nan
    return _Moments(mean, ratio(np.sqrt(variance), mean))


def _mean(draws: Sequence[_Moments], chance: Array) -> _Moments:
    return _Moments(
        *(
            mean_of_draws([draw[place] for draw in draws], chance, distance=False)
            for place in range(2)
        )
    )


def _curves(
    regions: Sequence[Part], samples: Sequence[str], means: Sequence[_Moments], unit: str
) -> list[Curve]:
    curves = []
    panels = list(dict.fromkeys(region.panel for region in regions if region.panel))
    for place, (name, title, what, label) in enumerate(
        (
            (
                "response_against_energy",
                "Response against energy",
                "Mean total response over incident energy.",
                f"response / energy [{unit}/GeV]",
            ),
            (
                "resolution_against_energy",
                "Resolution against energy",
                "Standard deviation over mean of total response over incident energy.",
                "sigma / mu",
            ),
        )
    ):
        for panel in panels:
            chosen = [k for k, region in enumerate(regions) if region.panel == panel]
            for sample, mean in zip(samples, means, strict=True):
                table = mean[place][:, chosen]
                known = np.flatnonzero(np.isfinite(table[0]))
                if known.size == 0:
                    continue
                curves.append(
                    Curve(
                        name=name,
                        title=title,
                        caption=f"{what} Errors by resampling the incident particles; the "
                        "floor is other showers of the full simulation.",
                        panel=panel,
                        sample=sample,
                        x=tuple(regions[chosen[k]].energy_gev for k in known),
                        y=tuple(float(table[0, k]) for k in known),
                        error=tuple(_spread(table[1:, k]) for k in known),
                        x_label="incident energy [GeV]",
                        y_label=label,
                        log_x=True,
                    )
                )
    return curves


def _spread(replicas: Array) -> float:
    known = replicas[np.isfinite(replicas)]
    return float(known.std()) if known.size else 0.0
