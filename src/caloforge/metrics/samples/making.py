"""From samples to a trial: pair the particles, apply the cut, measure channels and shapes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caloforge.errors import ConfigError, DataFormatError, GeometryError
from caloforge.metrics.samples.pairing import Incidents, pair
from caloforge.metrics.samples.trial import REFERENCE, Incoming, Passing, Side, Trial
from caloforge.metrics.shower.catalogue import MAX_LAYERS, measure, observables
from caloforge.metrics.statistics.floor import choose_design

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from caloforge.data import ShowerSample
    from caloforge.geometry import ChannelSet
    from caloforge.metrics.shower.catalogue import Observable

RESERVED = ("floor", "reference", REFERENCE)


def make_trial(
    reference: ShowerSample,
    generated: Mapping[str, ShowerSample],
    *,
    rng: np.random.Generator,
    convention: str | None = None,
    cut: float = 0.0,
    max_layers: int | None = MAX_LAYERS,
) -> Trial:
    """Bring full simulation and generated showers of the same incident particles together.

    Only particles that the reference and all generated samples have take part, so that one
    floor serves all of them.

    Arguments:
        reference: Full simulation, best with four or more showers of each particle.
        generated: Samples by name, best with two or more showers of each particle.
        rng: Decides the halves where there are no repeats.
        convention: Channel convention, by default the geometry's first.
        cut: Showers with a smaller total response are left out, in all samples.
        max_layers: Layers of a cylinder with observables of their own; ``None`` for all.

    Raises:
        ConfigError: If nothing is to be compared, or an option is out of range.
        DataFormatError: If samples do not pair, or nothing passes the cut.
        GeometryError: If there is no such convention, or showers have other cells.
    """
    if not generated:
        msg = "evaluate: found no generated sample, expected one or more; name its file"
        raise ConfigError(msg)
    if not 0 <= cut < np.inf:
        msg = f"cut: found {cut:g}, expected a number from 0 upwards; change it"
        raise ConfigError(msg)
    for name, sample in generated.items():
        _check(name, sample, reference)
    geometry = reference.geometry
    channels = geometry.channels(convention)
    shapes = observables(geometry, max_layers=max_layers)
    samples = (reference, *generated.values())
    names = [
        name
        for name in reference.particles.names
        if all(name in sample.particles.names for sample in samples)
    ]
    tables = [_measure(sample, channels, shapes, cut) for sample in samples]
    passed = [s.select(table.rows) for s, table in zip(samples, tables, strict=True)]
    incidents = [_incidents(sample, names) for sample in passed]
    pairing = pair(incidents)
    design = choose_design(pairing, rng)
    number = np.full(pairing.n_particles + 1, -1)  # the last: showers without a partner
    kept = np.sort(design.kept)
    number[kept] = np.arange(kept.size)
    _, first = np.unique(pairing.groups[0], return_index=True)
    first = first[first.size - pairing.n_particles :][kept]
    particles = passed[0].particles.select(first)
    incoming = Incoming(
        energy_gev=particles["energy_gev"],
        kind=particles.kinds(),
        pdg=particles["pdg"].astype(np.int64),
        impact_cm=np.stack((particles["x_cm"], particles["y_cm"]), axis=1),
        properties=incidents[0].properties[first],
        names=tuple(names),
    )
    sides = []
    for name, sample, table, group in zip(
        (REFERENCE, *generated), samples, tables, pairing.groups, strict=True
    ):
        own = number[group]
        part = own >= 0
        rows = table.rows[part]
        cpu = sample.cpu_seconds
        sides.append(
            Side(
                name=name,
                showers=sample.showers if rows.size == len(sample) else sample.showers[rows],
                particle=own[part],
                incoming=incoming,
                channels=table.channels[part],
                observables=table.observables[part],
                cpu_seconds=None if cpu is None else cpu[rows],
                provenance=sample.provenance,
            )
        )
    return Trial(
        geometry=geometry,
        channels=channels,
        shapes=shapes,
        incoming=incoming,
        design=replace(design, kept=number[design.kept]),
        reference=sides[0],
        generated=tuple(sides[1:]),
        source=reference.source,
        pairing=pairing.way,
        n_particles_reference=int(np.unique(reference.particles.incident).size),
        before_cut=_before_cut(samples, tables, names, tuple(generated)),
        cut=float(cut),
    )


def _before_cut(
    samples: Sequence[ShowerSample],
    tables: Sequence[_Table],
    columns: Sequence[str],
    names: Sequence[str],
) -> dict[str, Passing]:
    """Which showers pass: a generator must not lose others than full simulation does."""
    if all(table.rows.size == len(s) for s, table in zip(samples, tables, strict=True)):
        return {}
    groups = pair([_incidents(sample, columns) for sample in samples]).groups
    passed = [
        np.isin(np.arange(len(s)), table.rows) for s, table in zip(samples, tables, strict=True)
    ]
    result = {}
    for k, name in enumerate(names, start=1):
        particle = np.concatenate((groups[0], groups[k]))
        generated = np.arange(particle.size) >= len(groups[0])
        common = particle >= 0
        result[name] = Passing(
            particle[common],
            generated[common],
            np.concatenate((passed[0], passed[k]))[common],
        )
    return result


def _check(name: str, sample: ShowerSample, reference: ShowerSample) -> None:
    if name in RESERVED:
        msg = f"evaluate: found a sample named '{name}', expected another name; rename it"
        raise ConfigError(msg)
    if not reference.geometry.same_cells(sample.geometry):
        msg = (
            f"{sample.source}: found cells of detector '{sample.geometry.name}', expected "
            f"those of '{reference.geometry.name}' as in {reference.source}; compare "
            "showers of one detector"
        )
        raise GeometryError(msg)


class _Table(NamedTuple):
    """What passed the cut: rows of the sample, channel sums, observables."""

    rows: NDArray[np.int64]
    channels: NDArray[np.float64]
    observables: NDArray[np.float64]


def _measure(
    sample: ShowerSample, channels: ChannelSet, shapes: Sequence[Observable], cut: float
) -> _Table:
    sums, values = channels.sums(sample.showers), measure(shapes, sample.showers)
    total = values[:, [shape.name for shape in shapes].index("total")]
    rows = np.flatnonzero(total >= cut)
    if not rows.size:
        msg = (
            f"{sample.source}: found no shower with a total response of {cut:g} or more, "
            "expected some; lower the cut"
        )
        raise DataFormatError(msg)
    return _Table(rows, sums[rows], values[rows])


def _incidents(sample: ShowerSample, columns: Sequence[str]) -> Incidents:
    properties = np.stack(
        [np.asarray(sample.particles[name], dtype=np.float64) for name in columns], axis=1
    )
    return Incidents(sample.particles.incident, properties, sample.source)
