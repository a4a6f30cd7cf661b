"""From a shower file to both sides of the split, with what is fitted on the training side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.checks import check_showers
from caloforge.data.dataset import ShowerDataset
from caloforge.data.features import ConditionSet
from caloforge.data.partition import partition
from caloforge.data.sample import resolve
from caloforge.data.shower_file import ShowerFile, read_showers
from caloforge.data.split_record import SplitRecord, split_record
from caloforge.data.transforms import CellFrame, FarLight
from caloforge.nn import ShowerSpec

if TYPE_CHECKING:
    from caloforge.config import RunConfig

# Showers from which the mean response is taken, where training starts.
_FOR_MEAN = 4096


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

    train: ShowerDataset
    validation: ShowerDataset
    frame: CellFrame
    spec: ShowerSpec
    data: dict[str, Any]
    record: SplitRecord


def prepare(run: RunConfig) -> Prepared:
    """Read, check and split the showers of a run, and fit transforms on the training side.

    Raises:
        DataFormatError: If the file is unusable or too small to be split.
        ConfigError: If the conditions or transforms do not fit it.
    """
    path = resolve(run.data.train)
    sample = read_showers(path)
    check_showers(sample.showers, sample.geometry, source=str(path))
    plan, selection = run.data.split_plan, run.data.selection
    split = partition(sample, plan, selection)
    record = split_record(sample, plan, selection, split)
    train, validation = sample.select(split.train), sample.select(split.validation)
    conditions = ConditionSet.fit(run.data.conditions, train.particles, sample.geometry)
    datasets = [
        ShowerDataset(side, conditions, run.data.centre_on_impact, run.data.reflect)
        for side in (train, validation)
    ]
    rng = np.random.default_rng((run.seed, 2))
    some = rng.permutation(len(train))[:_FOR_MEAN]
    spec = ShowerSpec.of(sample.geometry, conditions.dim, batch=datasets[0].batch(some, rng))
    frame = CellFrame(sample.geometry, run.data.centre_on_impact)
    light = FarLight.fit(frame, train.particles, train.showers)
    frame = replace(frame, far_light=light)
    with ShowerFile(path) as file:
        digest = file.sha256()
    data = {
        "source": run.data.train,
        "sha256": digest,
        "showers": len(sample),
        "training showers": len(train),
        "training particles": len(np.unique(train.particles.incident)),
        "validation showers": len(validation),
        "validation particles": len(np.unique(validation.particles.incident)),
        **record.as_dict(),
        "full simulation": {
            key: value
            for key, value in sample.provenance.items()
            if isinstance(value, (str, int, float))
        },
    }
    return Prepared(datasets[0], datasets[1], frame, spec, data, record)
