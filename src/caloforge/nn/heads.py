"""The cell heads by the names that run files give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caloforge.errors import ConfigError
from caloforge.nn.cells import (
    BoundedCells,
    IntensityCells,
    Log1pCells,
    NegativeBinomialCells,
    PoissonCells,
)
from caloforge.nn.deposits import DepositCells, DepositTrackCells
from caloforge.nn.tracks import TrackCells

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from caloforge.nn.spec import ShowerSpec

AnyCells = IntensityCells | Log1pCells | BoundedCells

CELL_HEADS: Mapping[str, Callable[[ShowerSpec], AnyCells]] = {
    "poisson": PoissonCells,
    "negative-binomial": NegativeBinomialCells,
    "tracks": TrackCells,
    "deposits": DepositCells,
    "deposit-tracks": DepositTrackCells,
    "log1p": Log1pCells,
    "bounded": BoundedCells,
}


def cell_head(name: str, spec: ShowerSpec) -> AnyCells:
    """Make the cell head of that name.

    Raises:
        ConfigError: If there is none, or it does not fit the detector.
    """
    if name not in CELL_HEADS:
        msg = f"model.cells: found '{name}', expected one of {', '.join(CELL_HEADS)}"
        raise ConfigError(msg)
    return CELL_HEADS[name](spec)
