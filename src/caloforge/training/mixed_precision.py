"""Mixed precision for the networks of a model, and for nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torch import nn

_DTYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def mix_precision(model: nn.Module, precision: str) -> None:
    """Let the networks of a model compute with 16 bits where torch holds that to be safe.

    Networks are the direct parts of the model that have matrices to multiply with. They take
    and give float32. Losses, cell heads, sums of cells and draws of counts are outside of them
    and stay in float32: 8 bits cannot tell 1,000 photons from 1,003. Call objectives inside of
    `without_autocast`, else Lightning's own autocast is around them all.

    Arguments:
        model: Any model; keys and types of its weights stay.
        precision: Lightning's name; nothing is done unless it is a mixed one.
    """
    if precision not in _DTYPES:
        return
    for part in model.children():
        if any(p.ndim > 1 for p in part.parameters()):
            _Mixed(_DTYPES[precision]).hold(part)


def without_autocast(device: torch.device) -> torch.autocast:
    """Compute in the types of the tensors, whatever is around."""
    return torch.autocast(device.type, enabled=False)


class _Mixed:
    """Hooks that put one network's calls into autocast."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._open: list[torch.autocast] = []

    def hold(self, network: nn.Module) -> None:
        """Register the hooks."""
        network.register_forward_pre_hook(self._enter)
        network.register_forward_hook(self._leave, always_call=True)

    def _enter(self, network: nn.Module, inputs: Any) -> None:  # noqa: ANN401 - torch's
        del inputs
        device = next(network.parameters()).device.type
        # No cache of weights: the optimiser changes them between two phases of a step.
        context = torch.autocast(device, dtype=self._dtype, cache_enabled=False)
        context.__enter__()  # type: ignore[no-untyped-call]
        self._open.append(context)

    def _leave(self, network: nn.Module, inputs: Any, outputs: Any) -> Any:  # noqa: ANN401
        del network, inputs
        self._open.pop().__exit__(None, None, None)
        return _float32(outputs)


def _float32(outputs: Any) -> Any:  # noqa: ANN401 - whatever a network gives
    if isinstance(outputs, Tensor):
        return outputs.float() if outputs.is_floating_point() else outputs
    if type(outputs) in (tuple, list):
        return type(outputs)(_float32(one) for one in outputs)
    return outputs
