"""CPU time of a shower: full simulation against generation, batched and one at a time.

Both sides state the CPU seconds of each shower in their files (``cpu_seconds``). Full
simulation has the time of every shower. ``caloforge generate`` measures whole pieces and
divides: its numbers are those of batches, without loading the model and without writing. Times
of different processors, or of a busy and a quiet machine, are no better than that difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.metrics.figures import Curve, Definition, Figure, Finding
from caloforge.metrics.physics.peaks import energy_bins
from caloforge.metrics.samples.trial import REFERENCE
from caloforge.metrics.statistics.bootstrap import draw_counts, measured, ratio

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Side, Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]

_SOURCE = "CaloChallenge, https://arxiv.org/abs/2410.21611; both files"
_BLIND = (
    "Loading the model, writing the file, memory, processors and their load; what a shower "
    "costs on a GPU, of which files state no CPU time."
)
CPU_SECONDS = Definition(
    name="cpu_seconds",
    label="CPU time of a shower",
    group="speed",
    unit="s",
    ideal="floor",
    range="0 upwards",
    meaning=(
        "Mean time on one core for a shower of the incident particles of the comparison; small "
        "is good, there is no ideal and no floor."
    ),
    source=_SOURCE,
    bias="None.",
    blind=_BLIND,
)
SPEED_UP = Definition(
    name="speed_up",
    label="Speed-up",
    group="speed",
    unit="",
    ideal="floor",
    range="0 upwards",
    meaning=(
        "CPU time of full simulation over that of generation, for the same incident particles; "
        "large is good, there is no ideal and no floor."
    ),
    source=_SOURCE,
    bias="None.",
    blind=_BLIND,
    headline=True,
)
DEFINITIONS = (CPU_SECONDS, SPEED_UP)
BATCHED, SINGLE = "batched", "batch 1"
_PER_BIN = 25  # particles in a point of the curves


@dataclass(frozen=True)
class Timing:
    """What a shower file says of how its showers were timed.

    Attributes:
        batch_size: Showers of one batch, if known.
        single: CPU seconds of a shower made alone, if known.
    """

    batch_size: int | None = None
    single: float | None = None

    @classmethod
    def of(cls, provenance: Mapping[str, Any] | None) -> Timing:
        """Read ``batch_size`` and ``cpu_seconds_batch_1``; ``None`` for what is no number."""
        table = provenance or {}
        size = _positive(table.get("batch_size"))
        return cls(
            None if size is None else int(size), _positive(table.get("cpu_seconds_batch_1"))
        )


def _positive(value: object) -> float | None:
    if isinstance(value, int | float) and np.isfinite(value) and value > 0:
        return float(value)
    return None


def speed(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """CPU time and speed-up as the files state them; no figures where they state none."""
    timings = {side.name: Timing.of(side.provenance) for side in trial.generated}
    return speed_with(trial, timings, settings, rng)


def speed_with(
    trial: Trial,
    timings: Mapping[str, Timing],
    settings: Settings,
    rng: np.random.Generator,
) -> Finding:
    """CPU time and speed-up, with what is known of batches.

    Arguments:
        trial: What is compared.
        timings: Of the generated samples, by name; see `Timing.of`.
        settings: Number of resamplings.
        rng: Source of the resamplings.

    Returns:
        ``cpu_seconds`` and ``speed_up``, batched and at batch 1 where that is known, and time
        against energy. Errors cover the choice of particles, not the load of the machine. There
        is no floor. ``n`` counts the showers whose times were used, the smaller number of a
        speed-up's two: 0 for a time that the provenance states.
    """
    counts = draw_counts(trial.n_particles, settings.n_bootstrap, rng)
    full = _mean_seconds(trial.reference, counts)
    figures: list[Figure] = []
    for side in trial.generated:
        timing = timings.get(side.name, Timing())
        size = f"batches of {timing.batch_size}" if timing.batch_size else ""
        batched = _mean_seconds(side, counts)
        single = None if timing.single is None else np.full(len(counts), timing.single)
        n_full, n_own = len(trial.reference), len(side)
        stated = "stated without error"
        figures += [
            _figure(CPU_SECONDS, "full simulation", side, full, n_full),
            _figure(CPU_SECONDS, BATCHED, side, batched, n_own, size),
            _figure(CPU_SECONDS, SINGLE, side, single, 0, stated),
            _figure(SPEED_UP, BATCHED, side, _over(full, batched), min(n_full, n_own), size),
            _figure(SPEED_UP, SINGLE, side, _over(full, single), n_full),
        ]
    known = [f for f in figures if f.value is not None]
    return Finding(known, _curves(trial, counts))


def _mean_seconds(side: Side, counts: NDArray[np.int64]) -> Array | None:
    """Mean over showers of the mean over a particle's showers, in every resampling."""
    if side.cpu_seconds is None:
        return None
    seconds = side.cpu_seconds.astype(np.float64)
    n = np.bincount(side.particle, minlength=counts.shape[1])
    each = np.bincount(side.particle, seconds, minlength=counts.shape[1]) / np.maximum(n, 1)
    present = counts * (n > 0)
    return ratio(present @ each, present.sum(axis=1).astype(np.float64))


def _over(full: Array | None, generated: Array | None) -> Array | None:
    return None if full is None or generated is None else ratio(full, generated)


def _figure(
    definition: Definition,
    target: str,
    side: Side,
    replicas: Array | None,
    n: int,
    note: str = "",
) -> Figure:
    return Figure(
        metric=definition.name,
        target=target,
        sample=side.name,
        value=None if replicas is None else measured(replicas, definition.unit),
        floor=None,
        n=n,
        note=note,
        replicas=replicas,
    )


def _curves(trial: Trial, counts: NDArray[np.int64]) -> list[Curve]:
    bins, number = energy_bins(trial.incoming, per_bin=_PER_BIN, max_bins=8)
    kinds = list(dict.fromkeys(b.kind for b in bins))
    curves = []
    for side in trial.sides:
        for kind in kinds:
            rows = [k for k, b in enumerate(bins) if b.kind == kind]
            if len(rows) < 2 or side.cpu_seconds is None:
                continue
            points = []
            for k in rows:
                replicas = _mean_seconds(side, counts * (number == k))
                found = None if replicas is None else measured(replicas, "s")
                if found is not None and found.value > 0:
                    points.append((bins[k].centre_gev, found))
            curves.append(
                Curve(
                    name="cpu_seconds",
                    title="CPU time of a shower",
                    caption="Time on one core, as the files state it. Lower is faster.",
                    panel=kind,
                    sample=side.name if side is not trial.reference else REFERENCE,
                    x=tuple(x for x, _ in points),
                    y=tuple(p.value for _, p in points),
                    error=tuple(p.error for _, p in points),
                    x_label="incident energy [GeV]",
                    y_label="CPU time [s]",
                    log_x=True,
                    log_y=True,
                )
            )
    return [curve for curve in curves if curve.x]
