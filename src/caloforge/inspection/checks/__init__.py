"""All checks, in the order in which they are shown."""

from caloforge.inspection.checks.copies import DUPLICATES, LEAK
from caloforge.inspection.checks.coverage import COVERAGE
from caloforge.inspection.checks.dead import DEAD
from caloforge.inspection.checks.energy import ENERGY
from caloforge.inspection.checks.light import EMPTY, SATURATION
from caloforge.inspection.checks.orientation import ORIENTATION
from caloforge.inspection.checks.particles import FACE, KINEMATICS
from caloforge.inspection.checks.repeats import REPEATS
from caloforge.inspection.checks.schema import SCHEMA
from caloforge.inspection.checks.values import CELLS, COUNTS
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
)
"""Every check."""
