"""How a bundle keeps its weights: all of them in float32, or smaller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from caloforge.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

WEIGHT_TYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "int8": torch.int8,
}
"""What the matrices of a bundle can be stored as."""

_STEPS = 127
_SCALE = ".scale"


@dataclass(frozen=True)
class Storage:
    r"""What is stored of a model's weights.

    Half precision rounds each weight :math:`w` of a matrix or convolution once, when it is
    written: by at most :math:`2^{-11} |w|` in float16 (and at most :math:`2^{-25}` where
    :math:`|w| < 2^{-14}`), by at most :math:`2^{-8} |w|` in bfloat16. Whole numbers, ``int8``,
    count steps: they round by half a step, at most a 127th of the largest weight of their row.
    The step of each row, a power of two, is stored beside them as ``NAME.scale``. Reading gives
    float32 again, so that every reader has the same network. Vectors (biases, scales,
    statistics of a batch normalisation) keep float32: they are small, and a bias is added to
    all it meets.

    Attributes:
        weights_dtype: Of tensors with two dimensions or more: a key of `WEIGHT_TYPES`.
        left_out: Names of tensors that generation does not use and the file does not have.

    Raises:
        ConfigError: If there is no such type.
    """

    weights_dtype: str = "float32"
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.weights_dtype not in WEIGHT_TYPES:
            hint = did_you_mean(self.weights_dtype, WEIGHT_TYPES)
            msg = f"weights_dtype: found '{self.weights_dtype}'; {hint}"
            raise ConfigError(msg)

    @property
    def generates_only(self) -> bool:
        """Whether weights that only encoding or training needs are missing."""
        return bool(self.left_out)

    def packed(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors to be stored.

        Arguments:
            state: All tensors of the model by name.

        Raises:
            ConfigError: If a weight is too large for the type.
        """
        kind = WEIGHT_TYPES[self.weights_dtype]
        packed = {}
        for name, tensor in state.items():
            if name in self.left_out:
                continue
            plain = tensor.detach().cpu().contiguous()
            if plain.dtype == torch.float32 and plain.ndim > 1:
                if kind == torch.int8:
                    plain, packed[name + _SCALE] = _in_steps(name, plain)
                else:
                    plain = _rounded(name, plain, kind)
            packed[name] = plain
        return packed

    def unpacked(
        self, stored: Mapping[str, Tensor], state: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return all tensors of the model; those that are left out are no numbers.

        Arguments:
            stored: As `packed` made them.
            state: Tensors of the model that will take them, for types and sizes.

        Raises:
            KeyError: If the model has no tensor of a name that is left out.
            ValueError: If whole steps have no valid scale.
        """
        missing = {
            name: torch.full_like(state[name], float("nan"))
            for name in self.left_out
            if name not in stored
        }
        steps = {
            name
            for name, tensor in stored.items()
            if tensor.dtype == torch.int8 and name in state and state[name].is_floating_point()
        }
        scales = {name + _SCALE for name in steps}
        given = {
            name: (_whole(name, tensor, stored) if name in steps else tensor).to(
                _type_of(name, tensor, state)
            )
            for name, tensor in stored.items()
            if name not in scales
        }
        return {**missing, **given}

    def as_dict(self) -> dict[str, Any]:
        """Return the keys of ``bundle.json``."""
        return {"weights_dtype": self.weights_dtype, "left_out": list(self.left_out)}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Storage:
        """Build what `as_dict` described; bundles of older versions store all in float32."""
        left_out = table.get("left_out", ())
        return cls(table.get("weights_dtype", "float32"), tuple(map(str, left_out)))


def _rounded(name: str, tensor: Tensor, kind: torch.dtype) -> Tensor:
    largest = float(tensor.abs().max()) if tensor.numel() else 0.0
    most = torch.finfo(kind).max
    if largest > most:
        msg = (
            f"weights_dtype: {name} has a weight of size {largest:.3g}, expected at most "
            f"{most:.3g} for {str(kind).removeprefix('torch.')}; take 'bfloat16'"
        )
        raise ConfigError(msg)
    return tensor.to(kind)


def _in_steps(name: str, tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Round to whole steps, ``(row, ...) -> (row, ...), (row,)``."""
    if not tensor.isfinite().all():
        msg = f"weights_dtype: {name} has a weight that is not finite, expected numbers"
        raise ConfigError(msg)
    largest = (
        tensor.abs().flatten(1).amax(dim=1) if tensor.numel() else tensor.flatten(1).sum(1)
    )
    # Powers of two: what was read is exact, and is packed into the same numbers again.
    part, exponent = torch.frexp(largest / _STEPS)
    scale = torch.ldexp(torch.ones_like(largest), exponent - (part == 0.5).int())
    shape = (-1, *[1] * (tensor.ndim - 1))
    return (tensor / scale.reshape(shape)).round().to(torch.int8), scale


def _whole(name: str, tensor: Tensor, stored: Mapping[str, Tensor]) -> Tensor:
    """Undo `_in_steps`."""
    scale = stored.get(name + _SCALE)
    valid = (
        scale is not None and scale.dtype == torch.float32 and scale.shape == tensor.shape[:1]
    )
    if scale is None or not valid or not ((scale > 0) & scale.isfinite()).all():
        msg = f"{name + _SCALE}: found no positive float32 number for each row of {name}"
        raise ValueError(msg)
    return tensor.float() * scale.reshape(-1, *[1] * (tensor.ndim - 1))


def _type_of(name: str, tensor: Tensor, state: Mapping[str, Tensor]) -> torch.dtype:
    """Type of a tensor in the model; of one it lacks, its own: loading will refuse it."""
    return state[name].dtype if name in state else tensor.dtype
