"""Files in, tables and pictures out: what a comparison found, for people and for programs."""

from caloforge.report.evaluate import Evaluation, evaluate_files, evaluate_samples
from caloforge.report.page import write_report
from caloforge.report.tables import print_comparison

__all__ = [
    "Evaluation",
    "evaluate_files",
    "evaluate_samples",
    "print_comparison",
    "write_report",
]
