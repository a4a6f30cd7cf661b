"""How close generated showers are to full simulation; knows arrays, no model and no file."""

from caloforge.metrics.compare import Sample, compare
from caloforge.metrics.distances import Measured, wasserstein_1d
from caloforge.metrics.observables import Observable, measure, observables
from caloforge.metrics.pairing import Incidents, Pairing, pair
from caloforge.metrics.results import (
    METRICS,
    ChannelFigure,
    Comparison,
    Metric,
    ObservableFigure,
    Row,
)

__all__ = [
    "METRICS",
    "ChannelFigure",
    "Comparison",
    "Incidents",
    "Measured",
    "Metric",
    "Observable",
    "ObservableFigure",
    "Pairing",
    "Row",
    "Sample",
    "compare",
    "measure",
    "observables",
    "pair",
    "wasserstein_1d",
]
