"""All checks, in the order in which they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caloforge.inspection.checks.copies import DUPLICATES, LEAK
from caloforge.inspection.checks.coverage import COVERAGE
from caloforge.inspection.checks.dead import DEAD
from caloforge.inspection.checks.energy import ENERGY
from caloforge.inspection.checks.labels import LABELS, OF_PARTICLES
from caloforge.inspection.checks.light import EMPTY, SATURATION
from caloforge.inspection.checks.orientation import ORIENTATION
from caloforge.inspection.checks.particles import FACE, KINEMATICS
from caloforge.inspection.checks.repeats import REPEATS
from caloforge.inspection.checks.schema import SCHEMA
from caloforge.inspection.checks.values import CELLS, COUNTS

if TYPE_CHECKING:
    from caloforge.inspection.evidence import Evidence
    from caloforge.inspection.finding import Check

CHECKS: tuple[Check, ...] = (
    SCHEMA,
    CELLS,
    COUNTS,
    ENERGY,
    DEAD,
    ORIENTATION,
    DUPLICATES,
    LEAK,
    COVERAGE,
    KINEMATICS,
    FACE,
    EMPTY,
    REPEATS,
    SATURATION,
    LABELS,
)
"""Every check."""


def checks_of(evidence: Evidence) -> tuple[Check, ...]:
    """Return the checks that ask something of a file: images have no particles."""
    if not evidence.images:
        return tuple(check for check in CHECKS if check is not LABELS)
    return tuple(check for check in CHECKS if check.name not in OF_PARTICLES)
