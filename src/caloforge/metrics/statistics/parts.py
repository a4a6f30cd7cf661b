"""Parts of the incident particles: kinds, bins of energy, rings and quadrants of impact."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.metrics.samples.trial import Incoming

MIN_PARTICLES = 10
MAX_KINDS = 6
N_RINGS = 3
ALL = "all kinds"


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the incident particles.

    Attributes:
        name: Target of figures, e.g. ``"n 100-200 GeV"``; ``""`` for all.
        inside: Which particles, ``(particle,)``.
        energy_gev: Geometric mean of their energies.
        panel: Kind, for curves against energy; ``""`` if the part is no bin of energy.
    """

    name: str
    inside: NDArray[np.bool_]
    energy_gev: float
    panel: str = ""


def parts(incoming: Incoming, *, at_least: int = MIN_PARTICLES) -> list[Part]:
    """Cut the particles in several ways.

    All; the six most frequent kinds; bins of energy in a 1-2-5 series, of all and of each kind;
    three rings of equal population around the middle of the front face; its quadrants. Parts
    with few particles are left out, but for the first.

    Arguments:
        incoming: The incident particles.
        at_least: Fewest particles of a part.
    """
    everything = np.ones(len(incoming), dtype=bool)
    kinds, number = np.unique(incoming.kind, return_counts=True)
    kinds = kinds[np.argsort(-number, kind="stable")][:MAX_KINDS]
    of_kind = [(str(kind), incoming.kind == kind) for kind in kinds]
    found = [("", everything, "")]
    if len(kinds) > 1:
        found += [(kind, inside, "") for kind, inside in of_kind]
    edges = energy_edges(incoming.energy_gev)
    for kind, inside in [(ALL, everything), *of_kind] if len(kinds) > 1 else of_kind:
        for low, high in pairwise(edges):
            within = (incoming.energy_gev >= low) & (incoming.energy_gev < high)
            found.append((f"{kind} {low:g}-{high:g} GeV", inside & within, kind))
    found += [(name, inside, "") for name, inside in _impact(incoming.impact_cm)]
    return [
        Part(name, inside, float(np.exp(np.log(incoming.energy_gev[inside]).mean())), panel)
        for k, (name, inside, panel) in enumerate(found)
        if inside.sum() >= at_least or k == 0
    ]


def energy_edges(energy_gev: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges 1, 2, 5, 10, ... that hold all energies; the last is above all."""
    lowest = int(np.floor(np.log10(energy_gev.min()))) - 1
    highest = int(np.floor(np.log10(energy_gev.max()))) + 2
    series = np.array(
        [float(f"{m}e{decade}") for decade in range(lowest, highest) for m in (1, 2, 5)]
    )
    first = np.flatnonzero(series <= energy_gev.min())[-1]
    last = np.flatnonzero(series > energy_gev.max())[0]
    return series[first : last + 1]


def _impact(impact_cm: NDArray[np.float64]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Rings of equal population around the origin, and quadrants; none for one point."""
    if np.ptp(impact_cm, axis=0).max() == 0:
        return []
    radius = np.hypot(*impact_cm.T)
    edges = np.unique(np.quantile(radius, np.linspace(0, 1, N_RINGS + 1)))
    edges[-1] = np.nextafter(edges[-1], np.inf)
    rings = [
        (f"impact at {low:.2g}-{high:.2g} cm", (radius >= low) & (radius < high))
        for low, high in pairwise(edges)
    ]
    x, y = impact_cm.T >= 0
    quadrants = [
        (f"impact at {a}x {b}y", (x == (a == "+")) & (y == (b == "+")))
        for a in "-+"
        for b in "-+"
    ]
    return rings + quadrants
