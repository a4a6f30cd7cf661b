"""One LightningModule that trains any model of the package, phase by phase."""

from __future__ import annotations

import copy
import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from lightning import LightningModule
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.data.feeding.loading import give_back
from caloforge.errors import ConfigError, DataFormatError, TrainingError
from caloforge.geometry import GridLayout
from caloforge.losses.energy import energy_score
from caloforge.losses.one_dimensional import wasserstein_1d
from caloforge.nn import draw_tracks
from caloforge.nn.batch_norm import share_batch_norms
from caloforge.nn.processes import finite, shared_batch
from caloforge.training.mixed_precision import mix_precision, without_autocast
from caloforge.training.validation import ValidationSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from caloforge.config import TrainConfig
    from caloforge.data.feeding.dataset import BatchStream
    from caloforge.data.feeding.stream import PooledStream, StreamedShowers
    from caloforge.data.transforms import CellFrame
    from caloforge.training.validation import ValidationBatch
    from caloforge.types import CellLaw, ShowerBatch, TrainableGenerator

_CURE = "try a smaller train.learning_rate, train.clip = 20, or train.precision = '32-true'"
# What torch says of counts to be drawn around what is no number.
_NO_COUNT = "invalid Poisson rate"
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}


class PhaseTraining(LightningModule):
    """Runs the phases of a model in rounds of steps, each closed by a validation.

    Batches, reflections and noise are functions of (seed, step), so that a run which is resumed
    at the end of a round goes on as if it had never stopped. A Lightning epoch is a round.
    Several devices make the steps of one (see `caloforge.nn.processes`); each validates all.

    Arguments:
        model: A model of the package.
        train: Training showers.
        validation: Showers of other incident particles.
        frame: The model's frame of cells.
        config: The ``[train]`` table.
        seed: Seed of the run.
        pair_repeats: Keep repeated showers of a particle in one batch.
        workers: Threads that make batches ahead.
        oversample_kinds: Exponent by which rare kinds of particles come more often.
    """

    def __init__(
        self,
        model: nn.Module,
        train: ShowerDataset | StreamedShowers,
        validation: ShowerDataset | StreamedShowers,
        frame: CellFrame,
        config: TrainConfig,
        seed: int,
        *,
        pair_repeats: bool = False,
        workers: int = 0,
        oversample_kinds: float = 0.0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        if config.devices > 1:
            share_batch_norms(model)
        self.averaged = copy.deepcopy(model).requires_grad_(False) if config.ema else None
        for trained in self.children():
            mix_precision(trained, config.precision)
        self.config = config
        self.seed = seed
        self.pair_repeats = pair_repeats
        self.workers = workers
        self.oversample_kinds = oversample_kinds
        self.train_data = train
        self.validation_data = ValidationSet(validation, frame, config.batch_size)
        stream = self._stream(0)
        size = stream.batch_size
        if size % config.devices:
            msg = (
                f"train.devices: found {config.devices} for batches of {size} showers, "
                "expected equal shares; choose a train.batch_size that they divide"
            )
            raise ConfigError(msg)
        per_epoch = stream.steps_per_epoch / config.accumulate
        self.total_steps = config.steps or max(1, round(config.epochs * per_epoch))
        self.round_steps = min(
            config.validate_every or max(1, round(per_epoch)), self.total_steps
        )
        self.steps_per_epoch = per_epoch
        self.register_buffer("steps_done", torch.tensor(0))
        self.round_terms: dict[str, float] = {}
        self._channel_sums: list[Tensor] = []
        self._objectives: list[dict[str, float]] = []

    @property
    def generator(self) -> TrainableGenerator:
        """The model, as what it promises to be."""
        return cast("TrainableGenerator", self.model)

    @property
    def best_candidate(self) -> nn.Module:
        """What is validated and kept: the running mean of the weights, if there is one."""
        return self.model if self.averaged is None else self.averaged

    def step(self) -> int:
        """Optimiser steps made so far."""
        return int(self.get_buffer("steps_done").item())

    def _stream(self, start: int, stop: int | None = None) -> BatchStream | PooledStream:
        return self.train_data.stream(
            self.config.batch_size,
            seed=self.seed,
            start=start,
            stop=stop,
            pair_repeats=self.pair_repeats,
            oversample_kinds=self.oversample_kinds,
            rank=self.global_rank,
            world_size=self.config.devices,
            workers=self.workers,
            pin=self.device.type == "cuda",
        )

    def train_dataloader(self) -> DataLoader[ShowerBatch]:
        """Batches of the next round."""
        if isinstance(self.train_data, ShowerDataset):
            self.train_data = self.train_data.held_by(self.device)
        start = self.step()
        stop = min(start + self.round_steps, self.total_steps)
        accumulate = self.config.accumulate
        return DataLoader(self._stream(start * accumulate, stop * accumulate), batch_size=None)

    def val_dataloader(self) -> DataLoader[ValidationBatch]:
        """Validation showers, in order."""
        return DataLoader(self.validation_data, batch_size=None)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's union
        """One optimiser and one schedule a phase."""
        config = self.config
        make = OPTIMIZERS[config.optimizer]
        extra: dict[str, Any] = {}
        if config.optimizer in ("adam", "adamw"):
            extra["betas"] = (config.beta1, 0.999)
        if config.optimizer == "adamw":
            extra["weight_decay"] = config.weight_decay
        optimizers = [
            make(phase.parameters(), lr=config.learning_rate * phase.rate, **extra)
            for phase in self.generator.phases()
        ]
        schedulers = [LambdaLR(optimizer, self._rate) for optimizer in optimizers]
        return optimizers, schedulers

    def _rate(self, step: int) -> float:
        """Share of the peak learning rate at a step."""
        if self.config.schedule == "one-cycle":
            warm = max(1, self.total_steps // 10)
            if step < warm:
                return 0.04 + 0.96 * step / warm
            done = (step - warm) / max(1, self.total_steps - warm)
            return max(0.0, (1 + math.cos(math.pi * min(done, 1.0))) / 2)
        if self.config.schedule == "exponential":
            return self.config.decay ** math.floor(step / self.steps_per_epoch)
        return 1.0

    def training_step(self, batch: ShowerBatch, batch_idx: int) -> None:
        """Run every phase once."""
        accumulate = self.config.accumulate
        step = self.step()
        closes = (batch_idx + 1) % accumulate == 0
        rng = torch.Generator(device=self.device)
        batch_number = step * accumulate + batch_idx % accumulate
        rng.manual_seed(_mixed(self.seed, batch_number))
        optimizers = self._as_list(self.optimizers(use_pl_optimizer=True))
        for phase, optimizer in zip(self.generator.phases(), optimizers, strict=True):
            if len(optimizers) > 1:
                self.toggle_optimizer(optimizer)
            diverging = _diverging(f"step {step}: phase '{phase.name}'")
            with diverging, shared_batch(), without_autocast(self.device):
                objective = phase.objective(batch, rng)
                stop = not finite(objective.total)
            if stop:
                raise TrainingError(_not_finite(phase.name, step, objective.terms))
            self.manual_backward(objective.total / accumulate)
            if closes:
                self._move(phase.name, optimizer)
            if len(optimizers) > 1:
                self.untoggle_optimizer(optimizer)
            for name, value in objective.terms.items():
                self.round_terms[f"{phase.name}/{name}"] = float(value)
        logged = {f"train/{k}": v for k, v in self.round_terms.items()}
        self.log_dict(logged, on_epoch=True, sync_dist=self.config.devices > 1)
        if closes:
            for scheduler in self._as_list(self.lr_schedulers()):
                scheduler.step()
            self.get_buffer("steps_done").add_(1)
            self._average()

    def _move(self, phase: str, optimizer: Any) -> None:  # noqa: ANN401 - Lightning's
        """Go one step down the gradient, clipped."""
        norm = None
        if self.config.clip > 0:
            groups = optimizer.param_groups
            parameters = [p for group in groups for p in group["params"]]
            norm = clip_grad_norm_(parameters, self.config.clip)
        optimizer.step()
        optimizer.zero_grad()
        # After the step, as to look at the norm waits for the device. Gradients of 16-mixed
        # overflow now and then by design: their step is left out, and their scale made smaller.
        if norm is None or self.config.precision == "16-mixed":
            return
        with shared_batch():
            if not finite(norm):
                msg = (
                    f"step {self.step()}: found a gradient of phase '{phase}' of norm "
                    f"{float(norm):.3g}, expected a finite one; {_CURE}"
                )
                raise TrainingError(msg)

    def _average(self) -> None:
        """Move the running mean of the weights towards them; buffers are copied."""
        if self.averaged is None:
            return
        # A short memory at the start, so that the first weights are soon forgotten.
        decay = min(self.config.ema, (1 + self.step()) / (10 + self.step()))
        with torch.no_grad():
            pairs = zip(self.averaged.parameters(), self.model.parameters(), strict=True)
            for mean, now in pairs:
                mean.lerp_(now, 1 - decay)
            buffers = zip(self.averaged.buffers(), self.model.buffers(), strict=True)
            for kept, fresh in buffers:
                kept.copy_(fresh)

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation, and what memory the steps took for a moment."""
        self._channel_sums, self._objectives = [], []
        if not isinstance(self.train_data, ShowerDataset):
            give_back()

    def validation_step(self, batch: ValidationBatch, batch_idx: int) -> None:
        """Generate showers for validation particles and sum their channels."""
        with _diverging(self._validating()), without_autocast(self.device):
            self._validate(batch, batch_idx)

    def _validating(self) -> str:
        return f"validation after {self.step()} steps"

    def _validate(self, batch: ValidationBatch, batch_idx: int) -> None:
        model = cast("TrainableGenerator", self.best_candidate)
        rng = torch.Generator(device=self.device)
        rng.manual_seed(_mixed(self.seed, -1 - batch_idx))
        showers = batch.showers
        objectives = [phase.objective(showers, rng) for phase in model.phases()]
        self._objectives.append(
            {
                f"{phase.name}/{name}": float(value)
                for phase, objective in zip(model.phases(), objectives, strict=True)
                for name, value in objective.terms.items()
            }
        )
        n = len(showers.conditions)
        sums = []
        for _ in range(self.config.validation_repeats):
            noise = torch.randn(n, model.noise_dim, generator=rng, device=self.device)
            cells = model.sample(showers.conditions, noise).float()
            self._check(cells.sum(), "a sum of generated showers")
            law, conditions = model.cell_law, showers.conditions
            sums.append(self._drawn_channels(batch, cells, law, rng, conditions))
        self._channel_sums.append(torch.stack(sums))

    def _drawn_channels(
        self,
        batch: ValidationBatch,
        cells: Tensor,
        law: CellLaw,
        rng: torch.Generator,
        conditions: Tensor,
    ) -> Tensor:
        """Channel sums of drawn counts; tracks lie in several channels."""
        layout = self.train_data.geometry.layout
        if law.name == "tracks" and isinstance(layout, GridLayout):
            counts = draw_tracks(
                batch.detector_cells(cells), law, layout.cells, rng, conditions
            )
            return counts @ batch.masks.T
        deposit = law.mean_deposit(cells, batch.channel_sums)
        return law.draw_sums(batch.channel_sums(cells), rng, deposit)

    def on_validation_epoch_end(self) -> None:
        """Log energy score and mean W1 of the channel sums, and the loss terms.

        The score compares, particle by particle, so that it sees what W1 cannot: a wrong
        response to a particle that another one makes up for, and a wrong spread.
        """
        generated = torch.cat(self._channel_sums, dim=1)  # (repeat, shower, channel)
        reference = self.validation_data.reference_sums.to(generated)
        distances = torch.stack([wasserstein_1d(reference, one) for one in generated])
        score = energy_score(reference, generated.transpose(0, 1))
        self._check(score, "a score of channel sums")
        self._check(distances.mean(), "a W1 of channel sums")
        self.log("validation/score", score, sync_dist=False)
        self.log("validation/w1", distances.mean(), sync_dist=False)
        # A batch may lack a term: one shower is no cloud to be compared with a prior.
        names = {name: None for terms in self._objectives for name in terms}
        for name in names:
            values = [terms[name] for terms in self._objectives if name in terms]
            self.log(f"validation/{name}", sum(values) / len(values), sync_dist=False)

    def _check(self, x: Tensor, what: str) -> None:
        """Stop all processes if a validation gave what is no number."""
        with shared_batch():
            if not finite(x):
                msg = (
                    f"{self._validating()}: found {what} of {float(x)}, expected a finite one; "
                    f"{_CURE}"
                )
                raise TrainingError(msg)

    @staticmethod
    def _as_list(one_or_many: Any) -> list[Any]:  # noqa: ANN401 - Lightning gives either
        return list(one_or_many) if isinstance(one_or_many, (list, tuple)) else [one_or_many]


@contextmanager
def _diverging(where: str) -> Iterator[None]:
    """Say of a loss that meets numbers out of all range that the run diverges."""
    try:
        yield
    except (ConfigError, DataFormatError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and _NO_COUNT not in str(error):
            raise
        msg = f"{where}: {error}; {_CURE}"
        raise TrainingError(msg) from error


def _mixed(seed: int, step: int) -> int:
    """One 62-bit seed from two numbers, far apart for neighbours."""
    mixed = (seed + 1) * 0x9E3779B97F4A7C15 + (step + (1 << 40)) * 0xBF58476D1CE4E5B9
    mixed ^= mixed >> 31
    mixed *= 0x94D049BB133111EB
    return (mixed ^ (mixed >> 29)) & ((1 << 62) - 1)


def _not_finite(phase: str, step: int, terms: Any) -> str:  # noqa: ANN401
    values = ", ".join(f"{name} = {float(value):.3g}" for name, value in terms.items())
    return f"step {step}: the loss of phase '{phase}' is not finite ({values}); {_CURE}"
