"""What a comparison finds, and the schema of ``metrics.json`` (see docs/metrics.md)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caloforge.metrics.distances import Measured

FORMAT = "caloforge-metrics"
VERSION = 1


@dataclass(frozen=True)
class Metric:
    """Description of a figure of merit.

    Attributes:
        label: Short name for tables.
        in_response_unit: Whether it carries the unit of the cells; otherwise it has none.
        ideal: What a perfect generator reaches: ``"floor"``, ``"0"`` or ``"1"``.
        meaning: One sentence for the report.
    """

    label: str
    in_response_unit: bool
    ideal: str
    meaning: str


METRICS: dict[str, Metric] = {
    "w1_ratio": Metric(
        "W1 / floor",
        False,
        "1",
        "Wasserstein distance of the channel sums to the full simulation, divided by the "
        "distance of two full-simulation samples of the same particles and size.",
    ),
    "w1": Metric(
        "W1",
        True,
        "floor",
        "Wasserstein distance of the channel sums, mean over channels: how far a shower must "
        "move on average. Depends on the sample size: compare with the floor beside it only.",
    ),
    "w1_relative": Metric(
        "W1 / mean",
        False,
        "floor",
        "The same divided by the mean response of the channel.",
    ),
    "conditional_bias": Metric(
        "Mean bias",
        True,
        "0",
        "Typical error of the mean response to one particle, statistical noise subtracted; a "
        "negative sign means less than the noise.",
    ),
    "spread_ratio": Metric(
        "Spread ratio",
        False,
        "1",
        "Fluctuation of repeated showers of one particle, generated over full simulation.",
    ),
    "dispersion_discrepancy": Metric(
        "Dispersion",
        False,
        "floor",
        "Relative difference of the spread of two showers of one particle.",
    ),
    "mae": Metric(
        "MAE",
        True,
        "floor",
        "Mean absolute difference of single showers of a particle. Rewards a generator that "
        "does not fluctuate: below the floor is not better.",
    ),
    "mae_conditional": Metric(
        "MAE cond.",
        True,
        "floor",
        "Mean absolute difference of the mean responses to a particle. Rewards a generator "
        "that does not fluctuate, too.",
    ),
}


@dataclass(frozen=True)
class ChannelFigure:
    """One figure of merit.

    Attributes:
        mean: Over all channels; ``None`` where repeats are missing to define it.
        channels: The same for each channel.
    """

    mean: Measured | None
    channels: Mapping[str, Measured | None]


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
        pairing: ``"incident id"`` or ``"identical properties"``.
        n_particles: Incident particles that take part.
        n_particles_reference: Incident particles of the reference, before cut and pairing.
        design: What is compared with what, in words.
        matched_floor: Whether the floor is of the same particles.
        n_bootstrap: Resamplings behind the errors.
        rows: The floor first, then the samples in the order given.
    """

    reference: str
    geometry: str
    unit: str
    convention: str
    channels: tuple[str, ...]
    cut: float
    pairing: str
    n_particles: int
    n_particles_reference: int
    design: str
    matched_floor: bool
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

    @property
    def statement(self) -> str:
        """What must be said beside every number: convention, cut, sizes, pairing, design."""
        cut = f"total response >= {self.cut:g} {self.unit}" if self.cut > 0 else "no cut"
        floor = "matched floor" if self.matched_floor else "unmatched floor"
        return (
            f"channels: {self.convention}; {cut}; {self.n_particles} of "
            f"{self.n_particles_reference} incident particles, paired by {self.pairing}; "
            f"{self.design}; {floor}; errors from {self.n_bootstrap} bootstraps by "
            "incident particle"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the content of ``metrics.json``: plain strings, numbers, lists and tables."""
        return {
            "format": FORMAT,
            "version": VERSION,
            **asdict(self),
            "channels": list(self.channels),
            "rows": [asdict(row) for row in self.rows],
            "definitions": {name: asdict(metric) for name, metric in METRICS.items()},
        }
