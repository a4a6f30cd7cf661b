"""What a trained model has learned: its codes, its response to the particle, its memory."""

from caloforge.explain.explanation import Explanation, explain_file
from caloforge.explain.page import write_explanation

__all__ = ["Explanation", "explain_file", "write_explanation"]
