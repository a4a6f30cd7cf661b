"""How close generated showers are to full simulation; knows showers, no model and no file."""

from caloforge.metrics.compare import compare
from caloforge.metrics.figures import Curve, Definition, Figure, Finding, Scores
from caloforge.metrics.results import (
    METRICS,
    ChannelFigure,
    Comparison,
    ObservableFigure,
    Row,
)
from caloforge.metrics.samples.making import make_trial
from caloforge.metrics.samples.pairing import Incidents, Pairing, pair
from caloforge.metrics.samples.trial import Side, Trial
from caloforge.metrics.shower.catalogue import Observable, measure, observables
from caloforge.metrics.statistics.distances import Measured, wasserstein_1d

__all__ = [
    "METRICS",
    "ChannelFigure",
    "Comparison",
    "Curve",
    "Definition",
    "Figure",
    "Finding",
    "Incidents",
    "Measured",
    "Observable",
    "ObservableFigure",
    "Pairing",
    "Row",
    "Scores",
    "Side",
    "Trial",
    "compare",
    "make_trial",
    "measure",
    "observables",
    "pair",
    "wasserstein_1d",
]
