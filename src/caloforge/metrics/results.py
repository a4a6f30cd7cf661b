"""What a comparison finds, and the schema of ``metrics.json`` (see docs/metrics.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caloforge.metrics.figures import Definition, Figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from caloforge.metrics.statistics.distances import Measured

FORMAT = "caloforge-metrics"
VERSION = 2


_FINITE = "upwards, falls with the sample size as about 1/sqrt(n): compare with the floor only"
_ZDC = "the talk, arXiv 2006.06704, and the papers of the ZDC group"
_FTNF = "FTNF, arXiv 2608.12795"

METRICS: dict[str, Definition] = {
    definition.name: definition
    for definition in (
        Definition(
            name="w1_ratio",
            label="W1 / floor",
            group="talk",
            unit="",
            ideal="1",
            range="0 upwards; clearly below 1 is not independent of the reference",
            meaning=(
                "Wasserstein distance of the channel sums to the full simulation, divided by "
                "the distance of two full-simulation samples of the same particles and size."
            ),
            source="ours",
            bias="towards 1: numerator and denominator have the noise of finite samples",
            blind="whether showers belong to their particles; cells within a channel",
            headline=True,
        ),
        Definition(
            name="w1",
            label="W1",
            group="talk",
            unit="response",
            ideal="floor",
            range="0 upwards",
            meaning=(
                "Wasserstein distance of the channel sums, mean over channels: how far a "
                "shower must move on average. Depends on the sample size: compare with the "
                "floor beside it only."
            ),
            source=_ZDC,
            bias=_FINITE,
            blind="whether showers belong to their particles; cells within a channel",
            headline=True,
        ),
        Definition(
            name="w1_relative",
            label="W1 / mean",
            group="talk",
            unit="",
            ideal="floor",
            range="0 upwards",
            meaning="The same divided by the mean response of the channel.",
            source="ours",
            bias=_FINITE,
            blind="as W1; faint channels count as much as bright ones",
        ),
        Definition(
            name="mae",
            label="MAE",
            group="talk",
            unit="response",
            ideal="floor",
            range="0 upwards",
            meaning=(
                "Mean absolute difference of single showers of a particle. Rewards a generator "
                "that does not fluctuate: below the floor is not better."
            ),
            source=_ZDC,
            bias="none from the sample size",
            blind="the difference between a good generator and one that does not fluctuate",
            headline=True,
        ),
        Definition(
            name="mae_conditional",
            label="MAE cond.",
            group="conditional",
            unit="response",
            ideal="floor",
            range="0 upwards",
            meaning=(
                "Mean absolute difference of the mean responses to a particle. Rewards a "
                "generator that does not fluctuate, too."
            ),
            source=_FTNF,
            bias="upwards, by the noise of the means of two showers",
            blind="as MAE",
            headline=True,
        ),
        Definition(
            name="conditional_bias",
            label="Bias per particle, rms",
            group="conditional",
            unit="response",
            ideal="0",
            range="any sign; negative is less than the noise",
            meaning=(
                "Signed root of the noise-subtracted mean square of the error of the mean "
                "response to a particle: not a shift. Negative means less than the noise."
            ),
            source="ours; the unbiased estimator of a squared distance of means",
            bias="none of its square",
            blind="fluctuations; bright particles dominate",
            headline=True,
        ),
        Definition(
            name="spread_ratio",
            label="Spread ratio",
            group="conditional",
            unit="",
            ideal="1",
            range="0 upwards; 0 does not fluctuate",
            meaning=(
                "Fluctuation of repeated showers of one particle, generated over full "
                "simulation."
            ),
            source="ours",
            bias="small: numerator and denominator have none",
            blind="means; the shape of the fluctuation; bright particles dominate",
            headline=True,
        ),
        Definition(
            name="dispersion_discrepancy",
            label="Dispersion",
            group="conditional",
            unit="",
            ideal="floor",
            range="0 to 1",
            meaning="Relative difference of the spread of two showers of one particle.",
            source=_FTNF,
            bias="large and upwards: full simulation against itself is near 0.46",
            blind="means",
        ),
    )
}


@dataclass(frozen=True)
class ChannelFigure:
    """One figure of merit.

    Attributes:
        mean: Over all channels; ``None`` where repeats are missing to define it.
        channels: The same for each channel.
        replicas: Of the mean in all resamplings, ``(1 + resampling,)``.
    """

    mean: Measured | None
    channels: Mapping[str, Measured | None]
    replicas: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)

    def of(self, target: str) -> Measured | None:
        """The figure of a channel, or of their mean for ``""``."""
        return self.channels[target] if target else self.mean


@dataclass(frozen=True)
class ObservableFigure:
    """One shower shape.

    Attributes:
        label: For people.
        mean: Mean over the sample.
        w1: Distance to the reference, mean over the pairings of repeats.
        ratio: Distance over its floor; ``None`` where the floor is 0.
    """

    label: str
    mean: Measured | None
    w1: Measured | None
    ratio: Measured | None


@dataclass(frozen=True)
class Row:
    """One generated sample, or the full simulation against itself.

    Attributes:
        name: Name of the sample; ``"floor"`` for the full simulation.
        kind: ``"floor"`` or ``"generated"``.
        n_showers: Showers that take part.
        repeats: Showers of each particle that take part.
        metrics: Figures of merit by the keys of `METRICS`.
        observables: Shower shapes by name.
    """

    name: str
    kind: str
    n_showers: int
    repeats: int
    metrics: Mapping[str, ChannelFigure]
    observables: Mapping[str, ObservableFigure]


@dataclass(frozen=True)
class Comparison:
    """One table: the floor and every generated sample against one reference.

    Attributes:
        reference: Name of the reference.
        geometry: Name of the detector.
        unit: Unit of a cell.
        convention: Convention of the channels.
        channels: Names of the channels.
        cut: Least total response of the showers that take part, in both samples; 0 is no cut.
        passing: Share of the showers of each sample that pass it; empty if all do.
        pairing: ``"incident id"`` or ``"identical properties"``.
        n_particles: Incident particles that take part.
        n_particles_reference: Incident particles of the reference, before cut and pairing.
        design: What is compared with what, in words.
        matched_floor: Whether the floor is of the same particles.
        n_compared: Showers on either side of a distance.
        n_bootstrap: Resamplings behind the errors.
        rows: The floor first, then the samples in the order given.
    """

    reference: str
    geometry: str
    unit: str
    convention: str
    channels: tuple[str, ...]
    cut: float
    passing: Mapping[str, float]
    pairing: str
    n_particles: int
    n_particles_reference: int
    design: str
    matched_floor: bool
    n_compared: int
    n_bootstrap: int
    rows: tuple[Row, ...]

    @property
    def floor(self) -> Row:
        """The full simulation against itself."""
        return self.rows[0]

    @property
    def generated(self) -> tuple[Row, ...]:
        """The generated samples."""
        return self.rows[1:]

    @property
    def floor_label(self) -> str:
        """``"floor"`` or ``"unmatched floor"``."""
        return "floor" if self.matched_floor else "unmatched floor"

    def figures(self) -> list[Figure]:
        """All figures of the generated samples with their floors, channel by channel too."""
        return [
            Figure(
                metric=key,
                target=target,
                sample=row.name,
                value=row.metrics[key].of(target),
                floor=self.floor.metrics[key].of(target),
                n=self.n_compared,
                note=self.design,
                replicas=None if target else row.metrics[key].replicas,
            )
            for row in self.generated
            for key in METRICS
            for target in ("", *self.channels)
        ]

    @property
    def statement(self) -> str:
        """What must be said beside every number: convention, cut, sizes, pairing, design."""
        cut = f"total response >= {self.cut:g} {self.unit}" if self.cut > 0 else "no cut"
        if self.passing:
            shares = ", ".join(f"{name} {share:.1%}" for name, share in self.passing.items())
            cut = f"{cut} (passed by: {shares})"
        floor = "matched floor" if self.matched_floor else "unmatched floor"
        return (
            f"channels: {self.convention}; {cut}; {self.n_particles} of "
            f"{self.n_particles_reference} incident particles, paired by {self.pairing}; "
            f"{self.design}; {floor}; errors from {self.n_bootstrap} bootstraps by "
            "incident particle"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what was compared: plain strings, numbers and lists, without the figures."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "reference": self.reference,
            "geometry": self.geometry,
            "unit": self.unit,
            "convention": self.convention,
            "channels": list(self.channels),
            "cut": self.cut,
            "passing": dict(self.passing),
            "pairing": self.pairing,
            "n_particles": self.n_particles,
            "n_particles_reference": self.n_particles_reference,
            "design": self.design,
            "matched_floor": self.matched_floor,
            "n_compared": self.n_compared,
            "n_bootstrap": self.n_bootstrap,
            "samples": [
                {"name": row.name, "n_showers": row.n_showers, "repeats": row.repeats}
                for row in self.generated
            ],
        }
