"""What is searched when nobody says what: one rule for each kind of setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_type_hints

from caloforge.toml_tables import toml_text
from caloforge.tuning.space import Choice, Range, Space

if TYPE_CHECKING:
    from caloforge.config import RunConfig

# Numbers that are searched so many times below and above the run's own value. One that is 0 is
# switched off and stays so.
_FACTORS = {
    "learning_rate": 5.0,
    "weight_decay": 10.0,
    "epsilon": 10.0,
    "penalty": 10.0,
    "bandwidth": 3.0,
    "code_noise": 3.0,
    "discriminator_rate": 3.0,
}
_WEIGHT = 10.0
# Settings that do nothing while another one has this value.
_IDLE = {"condition_weight": ("coupling", "independent")}


def default_space(run: RunConfig) -> Space:
    """Return ranges around the settings of a run, for any model.

    Learning rate and weight decay; of the model the sizes of codes and noise (``*_dim``), the
    layers of networks (half, as they are, twice), and the weights of its losses
    (``*_weight`` and a few more by name), unless another setting makes them idle.
    """
    space: Space = {"train.learning_rate": _around(run.train.learning_rate, "learning_rate")}
    if run.train.optimizer == "adamw" and run.train.weight_decay > 0:
        space["train.weight_decay"] = _around(run.train.weight_decay, "weight_decay")
    for name, hint in get_type_hints(type(run.model)).items():
        other, value = _IDLE.get(name, ("", None))
        if other and getattr(run.model, other, None) == value:
            continue
        dimension = _of(name, hint, getattr(run.model, name, None))
        if dimension is not None:
            space[f"model.{name}"] = dimension
    return space


def _of(name: str, hint: Any, value: Any) -> Range | Choice | None:  # noqa: ANN401 - a field
    """Range of a setting of a model; none for one that is not searched."""
    if hint is int and name.endswith("_dim") and value > 0:
        low = max(min(2, value), value // 3)  # one is too few for codes
        return Range(low, 3 * value, log=True, whole=True)
    if hint == tuple[int, ...] and value:
        half, twice = [max(1, width // 2) for width in value], [2 * width for width in value]
        return Choice(tuple(dict.fromkeys(map(toml_text, (half, value, twice)))))
    if hint is float and (name.endswith("_weight") or name in _FACTORS) and value > 0:
        return _around(value, name)
    return None


def _around(value: float, name: str) -> Range:
    """Range of a number, even in its logarithm."""
    factor = _FACTORS.get(name, _WEIGHT)
    low, high = (float(f"{bound:.3g}") for bound in (value / factor, value * factor))
    return Range(low, high, log=True)
