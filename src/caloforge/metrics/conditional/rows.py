"""The rows of a comparison, from values per particle, repeat and column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caloforge.metrics.conditional import channels as conditional
from caloforge.metrics.results import METRICS, ChannelFigure, ObservableFigure, Row
from caloforge.metrics.statistics.bootstrap import (
    Replicas,
    draw_counts,
    measured,
    ratio,
    weighted_mean,
)
from caloforge.metrics.statistics.floor import distances_over_pairings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from caloforge.metrics.shower.catalogue import Observable
    from caloforge.metrics.statistics.floor import Design

    Array = NDArray[np.float64]

_DISTANCES = ("w1", "w1_relative", "w1_ratio")


def make_rows(
    names: Iterable[str],
    tables: Sequence[Array],
    weights: Array,
    design: Design,
    channels: Sequence[str],
    shapes: Sequence[Observable],
    unit: str,
    *,
    n_bootstrap: int,
    rng: np.random.Generator,
) -> tuple[Row, ...]:
    """Compute the floor row and one row a generated sample.

    Arguments:
        names: Names of the generated samples.
        tables: Values ``(particle, repeat, column)`` of the reference, then of each sample; the
            columns are the channels, then the observables.
        weights: Weight of each particle in the conditional figures, ``(particle,)``.
        design: What is compared with what.
        channels: Names of the channels.
        shapes: The observables.
        unit: Unit of the channels.
        n_bootstrap: Resamplings for the errors.
        rng: Source of the resamplings.
    """
    n_channels = len(channels)
    stacked = [design.stack(table) for table in tables]
    units = draw_counts(len(stacked[0]), n_bootstrap, rng)
    distances = distances_over_pairings(stacked[0], stacked[1:], design, units)
    counts = units if design.matched else draw_counts(len(tables[0]), n_bootstrap, rng)
    means = [
        weighted_mean(table.mean(axis=1), np.ones_like(weights), counts) for table in tables
    ]
    work = _Conditional(tables[0][:, :, :n_channels], weights, design, counts)
    rows = []
    for k, (name, distance) in enumerate(
        zip(("floor", *names), (distances.floor, *distances.generated), strict=True)
    ):
        figures = work.floor() if k == 0 else work.generated(tables[k][:, :, :n_channels])
        w1, floor_w1 = distance[:, :n_channels], distances.floor[:, :n_channels]
        figures["w1"] = Replicas.of(w1)
        figures["w1_relative"] = Replicas.of(ratio(w1, means[0][:, :n_channels]))
        figures["w1_ratio"] = Replicas(
            ratio(w1, floor_w1), ratio(w1.mean(axis=1), floor_w1.mean(axis=1))
        )
        ratios = ratio(distance, distances.floor)
        rows.append(
            Row(
                name=name,
                kind="floor" if k == 0 else "generated",
                n_showers=tables[k].shape[0] * tables[k].shape[1],
                repeats=tables[k].shape[1],
                metrics={
                    key: _figure(
                        figures.get(key),
                        channels,
                        unit if metric.in_response_unit else "",
                        distance=key in _DISTANCES,
                    )
                    for key, metric in METRICS.items()
                },
                observables={
                    shape.name: ObservableFigure(
                        label=shape.label,
                        mean=measured(means[k][:, column], shape.unit),
                        w1=measured(distance[:, column], shape.unit, distance=True),
                        ratio=measured(ratios[:, column], "", distance=True),
                    )
                    for column, shape in enumerate(shapes, start=n_channels)
                },
            )
        )
    return tuple(rows)


def _figure(
    replicas: Replicas | None, channels: Sequence[str], unit: str, *, distance: bool
) -> ChannelFigure:
    if replicas is None:
        return ChannelFigure(None, dict.fromkeys(channels))
    return ChannelFigure(
        measured(replicas.mean, unit, distance=distance),
        {
            name: measured(replicas.channels[:, k], unit, distance=distance)
            for k, name in enumerate(channels)
        },
        replicas.mean,
    )


@dataclass(frozen=True, eq=False)
class _Conditional:
    """Conditional figures against one reference."""

    reference: Array
    weights: Array
    design: Design
    counts: NDArray[np.int64]

    def generated(self, generated: Array) -> dict[str, Replicas]:
        """Figures of a generated sample."""
        groups = tuple(self.design.groups(v.shape[1]) for v in (self.reference, generated))
        pairs = [(i, j) for i in range(len(groups[0])) for j in range(len(groups[1]))]
        figures = {"mae": self._mean(conditional.absolute_error(self.reference, generated))}
        figures |= self._over_groups(generated, (groups[0], groups[1]), pairs)
        return figures | self._fluctuation(self.reference, generated)

    def floor(self) -> dict[str, Replicas]:
        """Figures of the reference against itself: bias and spread between half the repeats."""
        if not self.design.matched:
            return {}
        groups, repeats = self.design.groups(self.reference.shape[1]), self.reference.shape[1]
        figures = {"mae": self._mean(conditional.absolute_error_floor(self.reference))}
        figures |= self._over_groups(
            self.reference, (groups, groups), self.design.floor_pairs()
        )
        halves = np.split(self.reference, [repeats - repeats // 2], axis=1)
        return figures | self._fluctuation(*halves)

    def _over_groups(
        self,
        generated: Array,
        groups: tuple[conditional.Groups, conditional.Groups],
        pairs: conditional.Pairs,
    ) -> dict[str, Replicas]:
        samples = (self.reference, generated)
        error = conditional.conditional_error(*samples, groups, pairs)
        figures = {"mae_conditional": self._mean(error, self.weights)}
        if self.design.size > 1:
            discrepancy = conditional.dispersion_discrepancy(*samples, groups, pairs)
            figures["dispersion_discrepancy"] = self._mean(discrepancy)
        return figures

    def _fluctuation(self, reference: Array, generated: Array) -> dict[str, Replicas]:
        if min(reference.shape[1], generated.shape[1]) < 2:
            return {}
        square = self._mean(conditional.squared_bias(reference, generated), self.weights)
        spread = self._mean(conditional.variance(generated)).channels
        expected = self._mean(conditional.variance(reference)).channels
        root = conditional.signed_root
        return {
            "conditional_bias": Replicas(root(square.channels), root(square.mean)),
            "spread_ratio": Replicas.of(np.sqrt(ratio(spread, expected))),
        }

    def _mean(self, values: Array, weights: Array | None = None) -> Replicas:
        equal = np.ones_like(self.weights)
        return Replicas.of(
            weighted_mean(values, equal if weights is None else weights, self.counts)
        )
