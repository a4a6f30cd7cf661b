"""Run files: TOML to frozen dataclasses, where a typo stops the run before it starts."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caloforge.data import Selection, SplitPlan
from caloforge.data.features import DEFAULT_CONDITIONS
from caloforge.data.feeding.loading import Loading
from caloforge.errors import ConfigError, did_you_mean
from caloforge.models import MODELS
from caloforge.models.checks import check_choice, check_positive
from caloforge.toml_tables import from_table, toml_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from caloforge.models import ModelConfig

_SCHEDULES = ("constant", "one-cycle", "exponential")
_OPTIMIZERS = ("adam", "adamw", "rmsprop")


@dataclass(frozen=True)
class DataConfig:
    """Which showers to train on, and how they are presented.

    Attributes:
        train: Shower file, or name of an embedded sample.
        validation_fraction: Share of the incident particles kept for validation; not used with
            folds or a list.
        split_by: ``"particle"``, or ``"shower"`` for files whose particles are few by design.
        split_key: Another key gives another, independent split.
        folds: Number of folds for cross-validation; 0 for none.
        fold: Fold that is kept for validation, from 0.
        validation_list: File that lists the validation side: a shower file, a table of
            particles, or a text file of incident numbers.
        min_sum: Least sum of a shower's cells, in the detector's unit; 0 for no cut.
        max_sum: Largest sum of a shower's cells, in the detector's unit; 0 for no cut.
        energy_gev: Least and largest energy of the incident particle; empty for all.
        kinds: Particle kinds that take part, by name or PDG code; empty for all.
        conditions: Features of the incident particle, in order.
        centre_on_impact: Show models the cells relative to the cell that was hit (grids).
        reflect: Reflect training showers at random where the geometry has symmetries; those of
            a cylinder are mirrored and turned by whole sectors.
        pair_repeats: Keep repeated showers of a particle in one batch.
        oversample_kinds: Makes rare kinds of particles come more often in training: each kind
            of n showers is drawn in proportion to n^(1 - this). 0 leaves them as in the file,
            1 makes all kinds alike.
        loading: ``"memory"`` holds all showers, ``"stream"`` reads them while training,
            ``"auto"`` holds them if they take at most a quarter of the free memory.
        buffer_mb: MiB of showers in memory at a time where they are streamed.
        workers: Threads that read and make batches ahead; 0 for none.
    """

    train: str = "zn-train"
    validation_fraction: float = 0.15
    split_by: str = "particle"
    split_key: str = "caloforge"
    folds: int = 0
    fold: int = 0
    validation_list: str = ""
    min_sum: float = 0.0
    max_sum: float = 0.0
    energy_gev: tuple[float, ...] = ()
    kinds: tuple[str, ...] = ()
    conditions: tuple[str, ...] = DEFAULT_CONDITIONS
    centre_on_impact: bool = False
    reflect: bool = False
    pair_repeats: bool = False
    oversample_kinds: float = 0.0
    loading: str = "auto"
    buffer_mb: int = 128
    workers: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.oversample_kinds <= 1:
            msg = (
                f"data.oversample_kinds: found {self.oversample_kinds}, expected 0 to 1; "
                "try 0.5"
            )
            raise ConfigError(msg)
        # They refuse what is out of range.
        _ = self.split_plan, self.selection, self.loading_plan

    @property
    def split_plan(self) -> SplitPlan:
        """How the showers are split."""
        return SplitPlan(
            fraction=self.validation_fraction,
            key=self.split_key,
            split_by=self.split_by,
            folds=self.folds,
            fold=self.fold,
            validation_list=self.validation_list,
        )

    @property
    def loading_plan(self) -> Loading:
        """How the showers come to training."""
        return Loading(self.loading, self.buffer_mb, self.workers)

    @property
    def selection(self) -> Selection:
        """Which showers take part."""
        return Selection(
            min_sum=self.min_sum,
            max_sum=self.max_sum if self.max_sum != 0 else None,
            energy_gev=self.energy_gev or None,  # type: ignore[arg-type]
            kinds=self.kinds,
        )


@dataclass(frozen=True)
class TrainConfig:
    """How to train.

    Attributes:
        steps: Optimiser steps; 0 takes them from `epochs`.
        epochs: Passes over the training showers; 0 takes `steps`.
        batch_size: Showers a step, over all devices.
        optimizer: ``"adam"``, ``"adamw"`` or ``"rmsprop"``.
        learning_rate: Peak learning rate.
        weight_decay: Of AdamW.
        beta1: Memory of the mean gradient of Adam and AdamW; 0.5 is usual for GANs.
        schedule: ``"constant"``, ``"one-cycle"`` (up in a tenth of the steps, then down to
            zero as a cosine), or ``"exponential"`` (times `decay` an epoch).
        decay: Factor an epoch of the exponential schedule.
        clip: Largest norm of a phase's gradient; 0 does not clip.
        accumulate: Batches whose gradients are added up before a step.
        ema: Decay of the running mean of weights that is validated and kept; 0 for none.
        validate_every: Steps between validations; 0 validates once an epoch.
        validation_repeats: Generated showers a validation shower, 2 or more.
        patience: Validations without improvement after which training stops; 0 never stops.
        precision: Lightning's name, ``"32-true"``, ``"bf16-mixed"`` or ``"16-mixed"``.
        devices: Number of devices.
        accelerator: Lightning's name, ``"auto"``, ``"cpu"`` or ``"gpu"``.
        threads: CPU threads of PyTorch; 0 leaves them alone.
    """

    steps: int = 0
    epochs: float = 0.0
    batch_size: int = 256
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    beta1: float = 0.9
    schedule: str = "one-cycle"
    decay: float = 0.95
    clip: float = 20.0
    accumulate: int = 1
    ema: float = 0.0
    validate_every: int = 0
    validation_repeats: int = 4
    patience: int = 0
    precision: str = "32-true"
    devices: int = 1
    accelerator: str = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        if (self.steps > 0) == (self.epochs > 0):
            msg = (
                f"train: found steps = {self.steps} and epochs = {self.epochs:g}, "
                "expected one of them above 0"
            )
            raise ConfigError(msg)
        check_positive(
            "train",
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            accumulate=self.accumulate,
            devices=self.devices,
        )
        if self.validation_repeats < 2:
            found = self.validation_repeats
            msg = f"train.validation_repeats: found {found}, expected 2 or more"
            raise ConfigError(msg)
        if not 0 <= self.ema < 1:
            msg = f"train.ema: found {self.ema}, expected 0 or more and below 1; try 0.999"
            raise ConfigError(msg)
        if not 0 <= self.beta1 < 1:
            msg = f"train.beta1: found {self.beta1}, expected 0 or more and below 1; try 0.9"
            raise ConfigError(msg)
        check_choice("train.schedule", self.schedule, _SCHEDULES)
        check_choice("train.optimizer", self.optimizer, _OPTIMIZERS)


@dataclass(frozen=True)
class RunConfig:
    """A whole run file.

    Attributes:
        model_name: Row of `MODELS`.
        model: Its settings.
        data: Showers and conditions.
        train: Optimisation.
        title: One line for people.
        seed: Of weights, batches, noise and validation.
    """

    model_name: str
    model: ModelConfig
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(epochs=50))
    title: str = ""
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the tables of the run file, every default filled in."""
        model: dict[str, Any] = asdict(self.model)  # type: ignore[call-overload]
        return {
            "title": self.title,
            "seed": self.seed,
            "data": asdict(self.data),
            "model": {"name": self.model_name, **model},
            "train": asdict(self.train),
        }

    def changed(self, settings: Iterable[str], *, source: str = "--set") -> RunConfig:
        """Return the run with other settings, like ``"train.epochs=50"``.

        Raises:
            ConfigError: If a key or value is wrong; the message begins with ``source``.
        """
        tables = self.as_dict()
        for setting in settings:
            _change(tables, setting)
        return run_from_tables(tables, source=source)

    def to_toml(self) -> str:
        """Return the run file as TOML text that `load_run` reads back."""
        tables = self.as_dict()
        lines = [f"{key} = {toml_text(tables[key])}" for key in ("title", "seed")]
        for name in ("data", "model", "train"):
            lines += ["", f"[{name}]"]
            lines += [f"{key} = {toml_text(value)}" for key, value in tables[name].items()]
        return "\n".join(lines) + "\n"


def run_names() -> tuple[str, ...]:
    """Return the names of the run files that come with caloforge."""
    folder = resources.files("caloforge") / "runs"
    names = (path.name for path in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_run(name_or_path: str | Path, settings: Iterable[str] = ()) -> RunConfig:
    """Load a run file by name (``"zn-e2e-sae"``) or path, and change settings of it.

    Arguments:
        name_or_path: Name of a run file that comes with caloforge, or path of a TOML file.
        settings: Changes like ``"train.epochs=50"``, values as in TOML; bare words are strings.

    Raises:
        ConfigError: If there is no such file, it is not TOML, or a key or value is wrong.
    """
    name = str(name_or_path)
    if name in run_names():
        source = f"{name}.toml"
        text = (resources.files("caloforge") / "runs" / source).read_text(encoding="utf-8")
    elif Path(name).is_file():
        source = name
        try:
            text = Path(name).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            msg = f"{name}: not a text file, expected a run file in TOML; showers go to --data"
            raise ConfigError(msg) from error
    else:
        hint = did_you_mean(name, run_names())
        msg = f"run file: found no '{name}', expected a TOML file; {hint}"
        raise ConfigError(msg)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"{source}: not valid TOML ({error})"
        raise ConfigError(msg) from error
    for setting in settings:
        _change(tables, setting)
    return run_from_tables(tables, source=source)


def load_data(settings: Iterable[str]) -> DataConfig:
    """Build a table ``[data]`` from settings alone, e.g. ``"data.folds=5"``.

    Raises:
        ConfigError: If a setting is none of ``[data]``, or its value is wrong.
    """
    tables: dict[str, Any] = {}
    for setting in settings:
        _change(tables, setting)
    for name in tables:
        if name != "data":
            msg = f"--set: found '{name}', expected a setting of [data], e.g. data.folds=5"
            raise ConfigError(msg)
    return from_table(DataConfig, tables.get("data", {}), where="--set [data]")


def run_from_tables(tables: Mapping[str, Any], *, source: str) -> RunConfig:
    """Build a run from the tables of a run file.

    Raises:
        ConfigError: If a key or value is wrong.
    """
    known = ("title", "seed", "data", "model", "train")
    for key in tables:
        if key not in known:
            msg = f"{source}: unknown key '{key}'; {did_you_mean(key, known)}"
            raise ConfigError(msg)
    for key in ("data", "model", "train"):
        if not isinstance(tables.get(key, {}), dict):
            msg = f"{source}: '{key}' is not a table; write [{key}]"
            raise ConfigError(msg)
    model = dict(tables.get("model", {}))
    name = model.pop("name", None)
    if name is None:
        msg = f"{source} [model]: key 'name' is missing, expected one of {', '.join(MODELS)}"
        raise ConfigError(msg)
    if name not in MODELS:
        hint = did_you_mean(str(name), MODELS)
        msg = f"{source} [model]: unknown model '{name}'; {hint}"
        raise ConfigError(msg)
    run = RunConfig(
        model_name=name,
        model=from_table(MODELS[name], model, where=f"{source} [model]"),
        data=from_table(DataConfig, tables.get("data", {}), where=f"{source} [data]"),
        train=from_table(TrainConfig, tables.get("train", {}), where=f"{source} [train]"),
        title=str(tables.get("title", "")),
    )
    seed = tables.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        msg = f"{source}: found seed = {seed!r}, expected a whole number of 0 or more"
        raise ConfigError(msg)
    return replace(run, seed=seed)


def _change(tables: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        msg = f"--set: found '{setting}', expected table.key=value, e.g. train.epochs=50"
        raise ConfigError(msg)
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    *path, last = key.strip().split(".")
    table = tables
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            msg = f"--set: '{key}' does not name a setting, expected e.g. train.epochs=50"
            raise ConfigError(msg)
    table[last] = value
    # Length of training is given one way: the last word wins.
    other = {"train.epochs": "steps", "train.steps": "epochs"}.get(key.strip())
    if other is not None:
        table.pop(other, None)
