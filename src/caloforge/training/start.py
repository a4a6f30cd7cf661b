"""Mean training shower, from which networks start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.data.files.shower_format import piece_rows
from caloforge.data.reflections import Reflections
from caloforge.nn import MeanShower

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caloforge.data.feeding.stream import StreamedShowers
    from caloforge.data.files.shower_file import ShowerFile
    from caloforge.types import ShowerBatch

# Showers from which the mean response is taken.
_FOR_MEAN = 4096

# A batch takes several times the memory of its cells: smaller pieces where memory is short.
_OF_PIECE = 0.25
# Showers in memory: 4,096 of ZN are one piece.
_HELD_PIECE = 2


def mean_shower(
    train: ShowerDataset | StreamedShowers, file: ShowerFile, rng: np.random.Generator
) -> MeanShower:
    """Average over some training showers in the model's frame, in the memory of a few MiB.

    Arguments:
        train: Training side.
        file: Its shower file, open.
        rng: Chooses the showers and reflects them; the same ones in memory and streamed.
    """
    some = rng.permutation(len(train))[:_FOR_MEAN]
    flags = Reflections(file.geometry).drawn(len(some), rng) if train.reflect else None
    held = isinstance(train, ShowerDataset)
    if not held:  # every chunk is expanded once
        order = np.argsort(some)
        some, flags = some[order], None if flags is None else flags[order]
    share = _HELD_PIECE if held else _OF_PIECE
    size = max(1, int(share * piece_rows(file.geometry.n_cells)))

    def batches() -> Iterator[ShowerBatch]:
        for start in range(0, len(some), size):
            piece = slice(start, start + size)
            chosen = None if flags is None else flags[piece]
            if isinstance(train, ShowerDataset):
                yield train.batch(some[piece], flags=chosen)
            else:
                showers = train.read(file, some[piece])
                yield showers.batch(np.arange(len(showers)), flags=chosen)

    return MeanShower.of(batches())
