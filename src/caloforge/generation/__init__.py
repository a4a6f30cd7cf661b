"""Fast simulation: bundle and incident particles in, showers out, equal for equal seeds."""

from caloforge.generation.files import GenerationSummary, generate_file
from caloforge.generation.nearest import NearestShower
from caloforge.generation.simulation import FastSimulation, load
from caloforge.generation.trained_range import RangeWarning

__all__ = [
    "FastSimulation",
    "GenerationSummary",
    "NearestShower",
    "RangeWarning",
    "generate_file",
    "load",
]
