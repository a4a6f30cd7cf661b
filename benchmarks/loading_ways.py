"""Ways to feed training from a shower file, for `loading.py`: ours, and plain h5py loops.

All yield batches of float32 cells and conditions in a random order that is new every epoch. The
plain ones do the least that a loop can do; ours also check the cells, and turn the showers of a
grid to the model's frame.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from caloforge.config import run_from_tables
from caloforge.training.preparation import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BATCH = 256
COLUMNS = ("energy_gev", "x_cm", "y_cm", "px_gev", "py_gev", "pz_gev", "mass_mev", "charge_e")


class OneByOne(Dataset):
    """A map-style data set that reads one shower by its index."""

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, None
        with h5py.File(path) as file:
            self.n = len(file["showers"])

    def __len__(self) -> int:
        return self.n

    def opened(self) -> h5py.File:
        """Open the file in the worker: HDF5 does not survive a fork."""
        self.file = self.file or h5py.File(self.path)
        return self.file

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        file = self.opened()
        conditions = np.array([file[name][row] for name in COLUMNS], dtype=np.float32)
        return torch.from_numpy(file["showers"][row].astype(np.float32)), torch.from_numpy(
            conditions
        )


class SortedBatches(OneByOne):
    """A data set that reads the showers of a batch together, by sorted indices."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with h5py.File(path) as file:  # the particles fit: read once
            columns = [file[name][:] for name in COLUMNS]
        self.conditions = np.stack(columns, axis=1).astype(np.float32)

    def __getitem__(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        order = np.sort(rows)
        cells = self.opened()["showers"][order].astype(np.float32)
        return torch.from_numpy(cells), torch.from_numpy(self.conditions[order])


class Slices(SortedBatches):
    """A data set that reads batches in the order of the file: fast, and not shuffled."""

    def __getitem__(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        some = slice(rows[0], rows[-1] + 1)
        cells = self.opened()["showers"][some].astype(np.float32)
        return torch.from_numpy(cells), torch.from_numpy(self.conditions[some])


def _epochs(loader: DataLoader) -> Iterator[Any]:
    for _ in count():
        yield from loader


def plain(path: Path, kind: str, workers: int) -> Iterator[Any]:
    if kind == "one by one":
        data = OneByOne(path)
        loader = DataLoader(data, BATCH, shuffle=True, num_workers=workers, drop_last=True)
    else:
        data = SortedBatches(path) if kind == "sorted batches" else Slices(path)
        order = RandomSampler(data) if kind == "sorted batches" else range(len(data))
        sampler = BatchSampler(order, BATCH, drop_last=True)
        loader = DataLoader(data, sampler=sampler, batch_size=None, num_workers=workers)
    return _epochs(loader)


def run_of(path: Path, loading: str, workers: int, buffer_mb: int) -> Any:
    with h5py.File(path) as file:
        grid = file["showers"].shape[1] == 44 * 44
    names = ["log_energy", "impact", "cell_offset", "edges", "slope", "kind"]
    data = {
        "train": str(path),
        "conditions": names if grid else ["energy_gev"],
        "centre_on_impact": grid,
        "reflect": grid,
        "loading": loading,
        "workers": workers,
        "buffer_mb": buffer_mb,
    }
    tables = {"data": data, "model": {"name": "vae"}, "train": {"steps": 1}}
    return run_from_tables(tables, source="benchmark")


def ours(path: Path, loading: str, workers: int, buffer_mb: int) -> Iterator[Any]:
    train = prepare(run_of(path, loading, workers, buffer_mb)).train
    return iter(DataLoader(train.stream(BATCH, seed=0, workers=workers), batch_size=None))


WAYS = {
    "caloforge, memory": lambda path, mb: ours(path, "memory", 0, mb),
    "caloforge, stream, no worker": lambda path, mb: ours(path, "stream", 0, mb),
    "caloforge, stream": lambda path, mb: ours(path, "stream", 1, mb),
    "h5py + DataLoader, one shower by index": lambda path, _: plain(path, "one by one", 0),
    "h5py + DataLoader, a batch by sorted indices": lambda path, _: plain(
        path, "sorted batches", 0
    ),
    "h5py + DataLoader, sorted indices, 2 worker processes": lambda path, _: plain(
        path, "sorted batches", 2
    ),
    "h5py + DataLoader, slices, not shuffled": lambda path, _: plain(path, "slices", 0),
}
