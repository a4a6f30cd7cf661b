"""Labels of images: whether there are any, and how many images each has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.data.images import LABEL
from caloforge.inspection.finding import Check, Finding, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caloforge.inspection.evidence import Evidence

OF_PARTICLES = (
    "energy",
    "dead-cells",
    "orientation",
    "coverage",
    "kinematics",
    "front-face",
    "repeats",
)
"""Checks that ask what images have not: particles, and cells that all are lit."""

_MANY, _SHOWN = 1000, 20
_RARE = 0.1


def _judge(evidence: Evidence) -> Iterator[Finding]:
    numbers = evidence.identity.numbers
    if evidence.identity.incident is not None and numbers[-1] > 1:
        shared = int(numbers[numbers > 1].sum())
        text = f"{some(shared, 'image', 'shares', 'share')} a number in 'incident' with others"
        cure = "give each image a number of its own: caloforge convert does"
        yield Finding("warning", text, shared, None, cure)
    if LABEL not in evidence.columns.least:
        yield Finding("ok", f"no column '{LABEL}': models have no condition")
        return
    labels = evidence.sample.columns[LABEL]
    whole = np.isfinite(labels) & (labels == np.floor(labels))
    if not whole.all():
        row = int(np.argmin(whole))
        text = f"label is no integer in {some(int((~whole).sum()), 'image', 'seen', 'seen')}"
        cure = "number the classes"
        first = int(evidence.sample.number[row])
        yield Finding("error", f"{text} (first: {labels[row]:.6g})", 1, first, cure)
        return
    classes, counts = np.unique(labels.astype(np.int64), return_counts=True)
    if len(classes) > _MANY:
        text = f"{len(classes):,} different labels, expected at most {_MANY:,} classes"
        yield Finding("warning", text, 0, None, "rename the column: these are no classes")
        return
    share = 100 * counts / counts.sum()
    parts = [f"{c} {s:.3g} %" for c, s in zip(classes, share, strict=True)]
    more = ", ..." if len(parts) > _SHOWN else ""
    text = (
        f"{some(len(classes), 'label', 'occurs', 'occur')}: {', '.join(parts[:_SHOWN])}{more}"
    )
    yield Finding("ok", text)
    rare = counts < _RARE * np.median(counts)
    if rare.any():
        text = f"label {classes[rare][0]} has less than a tenth of the images of the others"
        cure = "add images of it, or leave the label out"
        yield Finding("warning", text, int(counts[rare].sum()), None, cure)


LABELS = Check(
    name="labels",
    title="Labels",
    finds="labels that are no integers, too many to be classes, or rare; images that share a "
    "number",
    matters="the label is the condition of a model: what is rare is learned badly",
    cure="correct the labels",
    judge=_judge,
)
