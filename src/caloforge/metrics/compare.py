"""All metrics of several generated samples against one reference, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import ConfigError, DataFormatError
from caloforge.metrics.conditional import repeat_weights
from caloforge.metrics.floor import MAX_REPEATS, choose_design
from caloforge.metrics.observables import measure, observables
from caloforge.metrics.pairing import Incidents, pair, rows_by_repeat
from caloforge.metrics.results import Comparison
from caloforge.metrics.rows import make_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from caloforge.geometry import ChannelSet, DetectorGeometry
    from caloforge.metrics.observables import Observable

    Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """Showers and the particles that made them.

    Attributes:
        showers: Cell responses, ``(n, cell)``, not negative and finite.
        incidents: Incident particle of every shower.
    """

    showers: NDArray[Any]
    incidents: Incidents


def compare(
    reference: Sample,
    generated: Mapping[str, Sample],
    geometry: DetectorGeometry,
    *,
    rng: np.random.Generator,
    convention: str | None = None,
    cut: float = 0.0,
    n_bootstrap: int = 200,
) -> Comparison:
    """Compare generated showers with full simulation of the same incident particles.

    Only particles that the reference and all generated samples have take part, so that one
    floor serves all rows. All figures are explained in docs/metrics.md.

    Arguments:
        reference: Full simulation, best with four or more showers of each particle.
        generated: Samples by name, best with two or more showers of each particle.
        geometry: Detector of all of them.
        rng: Source of the resamplings.
        convention: Channel convention, by default the geometry's first.
        cut: Showers with a smaller total response are left out, in all samples.
        n_bootstrap: Resamplings for the errors, at least 2.

    Raises:
        ConfigError: If nothing is to be compared, or an option is out of range.
        DataFormatError: If samples do not pair, or have values that are not finite.
        GeometryError: If there is no such convention, or showers have other cells.
    """
    if not generated or n_bootstrap < 2 or not cut >= 0:
        msg = (
            f"metrics: found {len(generated)} generated samples, cut {cut:g} and {n_bootstrap} "
            "bootstraps, expected at least 1, 0 and 2; change them"
        )
        raise ConfigError(msg)
    channels = geometry.channels(convention)
    shapes = observables(geometry)
    n_reference = np.unique(reference.incidents.incident).size
    samples = [
        _columns(sample, geometry, channels, shapes, cut)
        for sample in (reference, *generated.values())
    ]
    pairing = pair([incidents for _, incidents in samples])
    design = choose_design(pairing, rng)
    repeats = [
        min(int(r[design.kept].min()), MAX_REPEATS) if design.matched else 1
        for r in pairing.repeats()
    ]
    tables = [
        values[rows_by_repeat(group, design.kept, n)]
        for (values, _), group, n in zip(samples, pairing.groups, repeats, strict=True)
    ]
    weights = repeat_weights(pairing.repeats()[0][design.kept])
    rows = make_rows(
        generated,
        tables,
        weights,
        design,
        channels.names,
        shapes,
        geometry.unit,
        n_bootstrap=n_bootstrap,
        rng=rng,
    )
    return Comparison(
        reference=reference.incidents.source,
        geometry=geometry.name,
        unit=geometry.unit,
        convention=channels.convention,
        channels=channels.names,
        cut=float(cut),
        pairing=pairing.way,
        n_particles=int(design.kept.size),
        n_particles_reference=int(n_reference),
        design=design.label,
        matched_floor=design.matched,
        n_bootstrap=n_bootstrap,
        rows=rows,
    )


def _columns(
    sample: Sample,
    geometry: DetectorGeometry,
    channels: ChannelSet,
    shapes: Sequence[Observable],
    cut: float,
) -> tuple[Array, Incidents]:
    """Channel sums and observables of the showers that pass the cut."""
    source = sample.incidents.source
    geometry.check(sample.showers, source=source)
    values = np.concatenate(
        (channels.sums(sample.showers), measure(shapes, sample.showers)), axis=1
    )
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        msg = (
            f"{source}: found cells that are not finite, first in shower {bad}, expected "
            "numbers; mend or drop these showers"
        )
        raise DataFormatError(msg)
    total = values[:, len(channels.names) + [s.name for s in shapes].index("total")]
    passed = total >= cut
    if not passed.any():
        msg = (
            f"{source}: found no shower with a total response of {cut:g} or more, expected "
            "some; lower the cut"
        )
        raise DataFormatError(msg)
    return values[passed], sample.incidents.select(passed)
