"""What is wrong with a file of showers: checks, a verdict, and a page with pictures."""

from caloforge.inspection.checks import CHECKS
from caloforge.inspection.finding import Check, Finding, Outcome
from caloforge.inspection.inspect import Inspection, inspect_files, inspect_source

__all__ = [
    "CHECKS",
    "Check",
    "Finding",
    "Inspection",
    "Outcome",
    "inspect_files",
    "inspect_source",
]
