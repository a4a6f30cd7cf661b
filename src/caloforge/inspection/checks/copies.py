"""Showers and particles that occur more than once: in a file, and in two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.inspection.finding import Check, Finding, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from caloforge.inspection.evidence import Evidence

# A particle gun of few settings: so many showers a particle, and so few particles.
_FEW = 500
_OFTEN = 20
# Showers a particle: its properties name a row.
_ONCE = 1.05


def _duplicates(evidence: Evidence) -> Iterator[Finding]:
    identity = evidence.identity
    rows, originals = identity.copies
    sure = surely_copied(evidence, rows, originals)
    rows, originals = rows[sure], originals[sure]
    judged = int(np.count_nonzero(identity.telling))
    if len(rows):
        same = identity.particles[rows] == identity.particles[originals]
        for chosen, what in (
            (same, "particle, too, is the same"),
            (~same, "particle is another"),
        ):
            if chosen.any():
                row, original = int(rows[chosen][0]), int(originals[chosen][0])
                number = int(chosen.sum())
                text = (
                    f"{some(number, 'shower', 'is', 'are')} cell by cell that of an earlier "
                    "one, "
                    f"and the {what} (first: shower {row} is shower {original})"
                )
                yield Finding("error", text, number, row)
    yield Finding(
        "ok",
        f"{judged:,} of {evidence.n_showers:,} showers say enough, by {identity.least_lit} lit "
        "cells or more and their values, that chance makes no two alike",
    )


def surely_copied(
    evidence: Evidence, rows: NDArray[np.int64], originals: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Tell copies from showers that are alike by chance, ``(copy,)``.

    Where a picture says little (few cells, coarse energies), it is a copy only if its
    neighbours are copies of the original's neighbours, or if it is of the same particle in a
    file that has every particle once.
    """
    sure = evidence.identity.telling[rows]
    step = (np.diff(rows) == 1) & (np.diff(originals) == 1)
    # Three in a row, each after the one before it.
    inner = np.zeros(len(rows), dtype=bool)
    if len(rows) > 2:
        inner[1:-1] = step[:-1] & step[1:]
        inner[:-1] |= inner[1:].copy()
        inner[1:] |= inner[:-1].copy()
    particles = evidence.identity.particles
    once = evidence.repeats < _ONCE
    return np.asarray(sure | inner | (once & (particles[rows] == particles[originals])))


def _leak(evidence: Evidence) -> Iterator[Finding]:
    other = evidence.other
    if other is None:
        yield Finding("not judged", "give a second file with --against")
        return
    own = evidence.identity
    if not evidence.geometry.same_cells(other.geometry):
        text = f"{other.source} is of detector '{other.geometry.name}': nothing can be shared"
        yield Finding("warning", text, 0, None, "compare files of one detector")
        return
    theirs = other.identity.showers[other.identity.telling]
    shared = np.isin(own.showers, theirs) & own.telling
    if shared.any():
        row = int(np.argmax(shared))
        there = int(np.argmax(other.identity.showers == own.showers[row]))
        text = (
            f"{some(int(shared.sum()), 'shower', 'is', 'are')} also in {other.source} (first: "
            f"shower {row} is "
            f"shower {there} there)"
        )
        yield Finding("error", text, int(shared.sum()), row)
    known = np.isin(own.particles, other.identity.distinct)
    if evidence.images:
        if not shared.any():
            yield Finding("ok", f"no image is also in {other.source}")
        return
    if known.any():
        number, row = int(known.sum()), int(np.argmax(known))
        particles = len(np.intersect1d(own.distinct, other.identity.distinct))
        text = (
            f"{some(number, 'shower', 'is', 'are')} of incident particles ({particles:,}) "
            "that are also in "
            f"{other.source}"
        )
        if few_by_design(evidence) or few_by_design(other):
            cure = (
                "particles are few by design: split by shower, and say so; the model is then "
                "not tested at energies that it has not seen"
            )
            yield Finding("warning", text, number, row, cure)
        else:
            yield Finding("error", text, number, row)
    if not shared.any() and not known.any():
        yield Finding("ok", f"no shower and no particle is also in {other.source}")


def few_by_design(evidence: Evidence) -> bool:
    """Whether particles are few and repeated, as of a gun with some fixed energies."""
    return len(evidence.identity.distinct) <= _FEW and evidence.repeats >= _OFTEN


DUPLICATES = Check(
    name="duplicates",
    title="Duplicates",
    finds="showers that are cell by cell the same as an earlier one, of the same particle or "
    "of another",
    matters="a simulation never repeats itself: a file was joined twice, or a random seed used "
    "twice; floors and errors come out too small",
    cure="leave the copies out, and look at the seeds of the production",
    judge=_duplicates,
)
LEAK = Check(
    name="leak",
    title="Leak between two files",
    finds="showers, or incident particles, that are in both files",
    matters="a test on what was trained on says nothing",
    cure="split by incident particle (caloforge does), or leave shared ones out of one file",
    judge=_leak,
)
