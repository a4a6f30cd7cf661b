"""From a shower file to both sides of the split, with what is fitted on the training side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.far_light import FarLight
from caloforge.data.features import ConditionSet
from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.data.feeding.loading import give_back
from caloforge.data.feeding.oversampling import Kinds
from caloforge.data.feeding.stream_fits import (
    fit_light,
    stored,
    track_light,
    twins_of_deposits,
)
from caloforge.data.files.shower_file import ShowerFile, ShowerSample
from caloforge.data.sample import resolve
from caloforge.data.splits.partition import partition
from caloforge.data.splits.split_record import SplitRecord, split_record
from caloforge.data.transforms import CellFrame
from caloforge.nn import ShowerSpec
from caloforge.training.image_runs import check_images
from caloforge.training.origin import origin
from caloforge.training.start import mean_shower
from caloforge.training.streaming import streamed_sides

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.config import RunConfig
    from caloforge.data.deposit_twins import DepositTwins
    from caloforge.data.feeding.stream import StreamedShowers
    from caloforge.data.splits.split import Split
    from caloforge.data.track_light import TrackLight


@dataclass(frozen=True, eq=False)
class Prepared:
    """Training and validation showers of a run, and what was fitted on the former.

    Attributes:
        train: Training side.
        validation: Validation side: other incident particles.
        frame: The model's frame of cells.
        spec: Sizes and mean shower.
        data: What a bundle says of its data.
        record: How the showers were selected and split.
    """

    train: ShowerDataset | StreamedShowers
    validation: ShowerDataset | StreamedShowers
    frame: CellFrame
    spec: ShowerSpec
    data: dict[str, Any]
    record: SplitRecord


def prepare(run: RunConfig, *, loading: str = "") -> Prepared:
    """Check and split the showers of a run, and fit transforms on the training side.

    Arguments:
        run: The run.
        loading: ``"memory"`` or ``"stream"``, if that was decided before; the memory that is
            free may have changed since.

    Raises:
        DataFormatError: If the file is unusable or too small to be split.
        ConfigError: If the conditions or transforms do not fit it, or a pool of streamed
            showers is too small.
    """
    path = resolve(run.data.train)
    plan, selection = run.data.split_plan, run.data.selection
    with ShowerFile(path) as file:
        check_images(run, file)
        split = partition(file, plan, selection)
        record = split_record(file, plan, selection, split)
        n_bytes = sum(map(len, split)) * stored(path).row_bytes
        mode = loading or run.data.loading_plan.decided(n_bytes, processes=run.train.devices)
        frame = CellFrame(file.geometry, run.data.centre_on_impact)
        rng = np.random.default_rng((run.seed, 2))
        train: ShowerDataset | StreamedShowers
        validation: ShowerDataset | StreamedShowers
        if mode == "memory":
            train, validation = _held_sides(run, file, split)
            start = mean_shower(train, file, rng)
            sample = train.sample
            light = FarLight.fit(frame, sample.particles, sample.showers)
        else:
            train, validation = streamed_sides(run, file, split)
            start = mean_shower(train, file, rng)
            light = fit_light(file, split.train, frame, rng)
        tracks: TrackLight | DepositTwins | None = None
        cells = getattr(run.model, "cells", "")
        if cells == "tracks":
            tracks = track_light(file, split.train, frame, train.conditions)
        elif cells == "deposit-tracks":
            tracks = twins_of_deposits(file, split.train, train.conditions)
        spec = ShowerSpec.of(file.geometry, train.conditions.dim, start=start, tracks=tracks)
        incident = file.column("incident")
        data = {
            "source": run.data.train,
            "sha256": file.sha256(),
            "showers": len(file),
            "training showers": len(train),
            "training particles": len(np.unique(incident[split.train])),
            "validation showers": len(validation),
            "validation particles": len(np.unique(incident[split.validation])),
            "loading": mode,
            **_order_of(train),
            **_oversampled(train, run.data.oversample_kinds),
            **record.as_dict(),
            "full simulation": origin(file.provenance),
        }
    if mode == "stream":
        give_back()
    return Prepared(train, validation, replace(frame, far_light=light), spec, data, record)


def _held_sides(
    run: RunConfig, file: ShowerFile, split: Split
) -> tuple[ShowerDataset, ShowerDataset]:
    """Read both sides into memory."""
    samples = [held(file, rows) for rows in split]
    names = run.data.conditions
    conditions = ConditionSet.fit(names, samples[0].particles, file.geometry)
    train, validation = (
        ShowerDataset(sample, conditions, run.data.centre_on_impact, run.data.reflect)
        for sample in samples
    )
    return train, validation


def held(file: ShowerFile, rows: NDArray[np.int64]) -> ShowerSample:
    """Read some rows of a file into memory."""
    cpu_seconds = file.cpu_seconds()
    return ShowerSample(
        particles=file.particles_at(rows),
        showers=file.read_rows(rows),
        geometry=file.geometry,
        cpu_seconds=None if cpu_seconds is None else cpu_seconds[rows],
        provenance=file.provenance,
        source=str(file.path),
    )


def _oversampled(train: ShowerDataset | StreamedShowers, exponent: float) -> dict[str, Any]:
    """Share of each kind in an epoch, the largest first, where rare kinds are oversampled."""
    if exponent == 0:
        return {}
    if isinstance(train, ShowerDataset):
        kinds = Kinds.of([train.sample.particles])
    elif train.kinds is not None:
        kinds = train.kinds
    shares = zip(kinds.names, kinds.shares(exponent).tolist(), strict=True)
    by_size = sorted(shares, key=lambda item: (-item[1], item[0]))
    return {"shares of kinds in an epoch": {name: round(share, 6) for name, share in by_size}}


def _order_of(train: ShowerDataset | StreamedShowers) -> dict[str, Any]:
    """What the order of streamed batches depends on besides seed and showers."""
    if isinstance(train, ShowerDataset):
        return {}
    rows = {"chunk rows": stored(train.path).chunk_rows, "pool rows": train.pool_rows}
    return {"streaming": rows}
