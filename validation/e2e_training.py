"""Training that watches the weights of the moment beside their running mean.

The running mean (`train.ema`) changes nothing in the training itself: one run shows the
curves with and without it. The last weights are kept, not the best ones: nothing is chosen
on the validation showers, so that figures of runs compare fairly.
"""

from __future__ import annotations

import json
import logging
import time
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from lightning import Trainer
from scipy import stats

from caloforge.losses.energy import energy_score
from caloforge.losses.one_dimensional import wasserstein_1d
from caloforge.training.bundle import Bundle, build_model, write_bundle
from caloforge.training.module import PhaseTraining
from caloforge.training.preparation import prepare

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from caloforge.config import RunConfig
    from caloforge.types import CellLaw, TrainableGenerator

HISTORY = "history.json"
SELDOM = 250  # steps between scores in the first half


class WatchedTraining(PhaseTraining):
    """`PhaseTraining` that scores both sets of weights at the end of each round."""

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.curves: dict[str, list[float]] = {"step": []}

    def on_train_epoch_end(self) -> None:
        """Score, with the same noise in each round; every round of the second half."""
        if self.step() < self.total_steps / 2 and self.step() % SELDOM:
            return
        self.curves["step"].append(self.step())
        watched = {"raw": self.model, "mean": self.averaged}
        for name, model in watched.items():
            if model is None:
                continue
            score, w1 = self.scores(model)
            self.curves.setdefault(f"{name} score", []).append(score)
            self.curves.setdefault(f"{name} w1", []).append(w1)

    @torch.no_grad()
    def scores(self, model: nn.Module) -> tuple[float, float]:
        """Energy score and mean W1 of the channel sums, in photons.

        As validation has them, but counts come from uniform numbers through the quantiles of
        their law: noise and numbers are the same in each round and for each model, so that
        differences between rounds are differences of weights.
        """
        was_training = model.training
        model.eval()
        generator = cast("TrainableGenerator", model)
        reference = self.validation_data.reference_sums
        rng = torch.Generator().manual_seed(1)
        sums = []
        for batch in self.validation_data:
            conditions, made = batch.showers.conditions, []
            for _ in range(self.config.validation_repeats):
                noise = torch.randn(len(conditions), generator.noise_dim, generator=rng)
                channels = batch.channel_sums(generator.sample(conditions, noise).float())
                uniform = torch.rand(channels.shape, generator=rng)
                made.append(quantiles(generator.cell_law, channels, uniform))
            sums.append(torch.stack(made))
        model.train(was_training)
        found = torch.cat(sums, dim=1)
        w1 = torch.stack([wasserstein_1d(reference, one) for one in found]).mean()
        return float(energy_score(reference, found.transpose(0, 1))), float(w1)


def quantiles(law: CellLaw, sums: Tensor, uniform: Tensor) -> Tensor:
    """Counts of given means at given quantiles of their law, all of one shape."""
    means, at = sums.double().clamp_min(1e-9).numpy(), uniform.double().numpy()
    if law.name == "rounding":
        return sums
    if law.name == "poisson":
        found = stats.poisson.ppf(at, means)
    else:
        found = stats.nbinom.ppf(at, means / (law.fano - 1), 1 / law.fano)
    return torch.from_numpy(found).float()


def ring_regions(cells: tuple[int, int], rings: tuple[int, ...]) -> Tensor:
    """Region of each cell as `caloforge.nn.spec.regions_of`, of quadrants and other rings.

    Arguments:
        cells: Cells of the grid.
        rings: Largest distance from the central cell in each ring but the last.
    """
    offset = np.indices(cells) - np.array(cells)[:, None, None] // 2
    ring = np.searchsorted(rings, np.abs(offset).max(axis=0))
    quadrant = 2 * (offset[0] >= 0) + (offset[1] >= 0)
    return torch.from_numpy(np.unique(ring * 4 + quadrant, return_inverse=True)[1].ravel())


def train_watched(run: RunConfig, folder: Path, rings: tuple[int, ...] = ()) -> Path:
    """Train to the end, keep the last weights and both curves; return the bundle's folder."""
    torch.set_num_threads(1)
    prepared = prepare(run)
    spec = prepared.spec
    if rings:
        spec = replace(spec, regions=ring_regions(prepared.frame.geometry.layout.cells, rings))
    torch.manual_seed(run.seed)
    module = WatchedTraining(
        build_model(run, spec),
        prepared.train,
        prepared.validation,
        prepared.frame,
        run.train,
        run.seed,
        pair_repeats=run.data.pair_repeats,
        workers=run.data.workers,
        oversample_kinds=run.data.oversample_kinds,
    )
    started = time.monotonic()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Trainer(
            max_epochs=-(-module.total_steps // module.round_steps),
            accelerator="cpu",
            devices=1,
            logger=False,
            limit_val_batches=0,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
        ).fit(module)
    bundle = Bundle(
        module.best_candidate.cpu().eval(),
        run,
        prepared.spec,
        prepared.train.conditions,
        prepared.frame,
        {
            "data": prepared.data,
            "training": {
                "steps": module.step(),
                "seconds": round(time.monotonic() - started, 1),
                "rings": list(rings),
            },
        },
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / HISTORY).write_text(json.dumps(module.curves) + "\n")
    return write_bundle(folder / "bundle", bundle, force=True)
