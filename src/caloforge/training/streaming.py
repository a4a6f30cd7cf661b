"""Both sides of a split that stay in their file, within the memory that a run allows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from caloforge.data.features import ConditionSet
from caloforge.data.feeding.oversampling import Kinds
from caloforge.data.feeding.stream import StreamedShowers
from caloforge.data.feeding.stream_fits import (
    fit_conditions,
    group_starts,
    particle_pieces,
    stored,
)
from caloforge.data.feeding.stream_order import Blocks
from caloforge.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from caloforge.config import RunConfig
    from caloforge.data.feeding.dataset import ShowerDataset
    from caloforge.data.files.shower_file import ShowerFile
    from caloforge.data.splits.split import Split


def streamed_sides(
    run: RunConfig, file: ShowerFile, split: Split
) -> tuple[StreamedShowers, StreamedShowers | ShowerDataset]:
    """Prepare both sides for being read while training.

    The validation side is held in memory if it fits.

    Arguments:
        run: The run.
        file: Its shower file, open.
        split: Rows of the sides.

    Raises:
        ConfigError: If conditions do not fit the file, the memory does not hold a chunk, or
            repeats that are to stay together lie apart.
    """
    loading, names, geometry = run.data.loading_plan, run.data.conditions, file.geometry
    how = stored(file.path)
    pool_rows = loading.pool_bytes // how.row_bytes
    if pool_rows < how.chunk_rows:
        size = how.chunk_rows * how.row_bytes
        msg = (
            f"data.buffer_mb: found {run.data.buffer_mb}, too little for a chunk of "
            f"{file.path} ({size / 1024**2:.3g} MiB); try {loading.enough_for(size)}"
        )
        raise ConfigError(msg)
    starts = None
    if run.data.pair_repeats:
        starts = group_starts(file.column("incident")[split.train], file.path)
    table = None
    if loading.holds_particles(len(split.train) * 8 * (1 + len(file.particles(0, 1).names))):
        table = file.particles_at(split.train)
        conditions = ConditionSet.fit(names, table, geometry)
    else:
        pieces = partial(particle_pieces, file, split.train)
        conditions = fit_conditions(names, pieces, geometry)

    kinds = None
    if run.data.oversample_kinds > 0:
        kinds = Kinds.of([table] if table is not None else particle_pieces(file, split.train))

    def side(rows: NDArray[np.int64], blocks: Blocks) -> StreamedShowers:
        return StreamedShowers(
            path=file.path,
            rows=rows,
            geometry=geometry,
            conditions=conditions,
            blocks=blocks,
            pool_rows=pool_rows,
            centre_on_impact=run.data.centre_on_impact,
            reflect=run.data.reflect,
            table=table if rows is split.train else None,
            workers=loading.workers,
            kinds=kinds if rows is split.train else None,
        )

    train = side(split.train, Blocks.of(split.train, how.chunk_rows, starts))
    validation = side(split.validation, Blocks.of(split.validation, how.chunk_rows))
    if loading.holds_validation(len(validation) * how.row_bytes):
        return train, validation.whole(file)
    return train, validation
