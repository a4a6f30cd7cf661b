"""Numbers of particles: equal ones for different particles, different ones for equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.inspection.finding import Check, Finding, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caloforge.inspection.evidence import Evidence

# One particle far more often than half of the others, and a good part of the file.
_UNEQUAL = 20
_UNEQUAL_SHARE = 0.01


def _judge(evidence: Evidence) -> Iterator[Finding]:
    identity = evidence.identity
    mixed, first = identity.first_mixed()
    if mixed:
        text = f"{mixed:,} numbers in 'incident' stand for particles of different properties"
        cure = "renumber: equal numbers must mean equal particles, also after joining files"
        yield Finding("error", text, mixed, first, cure)
    numbers = identity.numbers
    most, median = int(numbers[-1]), float(np.median(numbers))
    if most > _UNEQUAL * median and most > _UNEQUAL_SHARE * evidence.n_showers:
        text = f"one particle has {most:,} showers, half of the others {median:g} or fewer"
        yield Finding("warning", text, most, _commonest(evidence))
    common, how_often = np.unique(numbers, return_counts=True)
    order = np.argsort(-how_often)[:3]
    parts = [f"{how_often[k]:,} particles with {common[k]:,}" for k in sorted(order)]
    yield Finding("ok", f"showers a particle: {', '.join(parts)}" + _floor(most))
    yield from _torn(evidence)


def _torn(evidence: Evidence) -> Iterator[Finding]:
    """Particles that are one by their properties, and several by their numbers."""
    identity = evidence.identity
    if identity.incident is None or evidence.columns.missing:
        return
    _, first, which = np.unique(identity.particles, return_index=True, return_inverse=True)
    other = identity.incident != identity.incident[first][which]
    if not other.any():
        return
    if len(first) == 1:
        text = (
            f"all {len(identity.numbers):,} particles are alike: a beam of one kind and "
            "energy, in which each counts for itself"
        )
        yield Finding("ok", text)
        return
    torn = len(np.unique(which[other]))
    text = (
        f"{some(torn, 'set', 'of properties has', 'of properties have')} several numbers in "
        f"'incident': {len(identity.numbers):,} numbers for {len(first):,} different particles"
    )
    cure = (
        "give equal particles one number, or leave 'incident' out: repeats are compared by it, "
        "and are not seen as such"
    )
    yield Finding("warning", text, int(other.sum()), int(np.argmax(other)), cure)


def _floor(most: int) -> str:
    return "" if most > 1 else "; without repeats, conditional metrics have no floor"


def _commonest(evidence: Evidence) -> int:
    identity = evidence.identity
    own = identity.particles if identity.incident is None else identity.incident
    _, first, counts = np.unique(own, return_index=True, return_counts=True)
    return int(first[np.argmax(counts)])


REPEATS = Check(
    name="repeats",
    title="Repeats",
    finds="numbers in 'incident' that stand for different particles, or equal particles of "
    "different numbers; a particle that fills the file",
    matters="the split by particle leaks, repeats are not compared, and means are those of one "
    "particle",
    cure="keep as many showers of this particle as of the others",
    judge=_judge,
)
