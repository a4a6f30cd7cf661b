"""Smaller bundles: weights in half precision, and only those that generation uses."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from caloforge.errors import BundleError
from caloforge.training.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from caloforge.training.bundle import Bundle
    from caloforge.types import ShowerGenerator

_ROWS = 4


def slim(
    bundle: Bundle, *, weights_dtype: str = "float16", generation_only: bool = False
) -> Bundle:
    """Return a bundle whose files are smaller; the given one stays as it is.

    Its model has the rounded weights already: it makes the showers that the bundle will make
    when it was written and read, bit for bit.

    Arguments:
        bundle: A trained model.
        weights_dtype: A key of `WEIGHT_TYPES`.
        generation_only: Leave out the weights that generation does not use: encoder,
            discriminator. `caloforge explain` then cannot look at codes.

    Raises:
        ConfigError: If there is no such type, or a weight is too large for it.
        BundleError: If the model's output depends on weights whose use was not seen.
    """
    state = bundle.model.state_dict()
    left_out = set(bundle.storage.left_out)
    if generation_only:
        left_out |= set(state) - used_tensors(bundle)
    storage = Storage(weights_dtype, tuple(name for name in state if name in left_out))
    model = copy.deepcopy(bundle.model)
    model.load_state_dict(storage.unpacked(storage.packed(state), state))
    made = replace(bundle, model=model.eval(), storage=storage)
    if not torch.isfinite(_sampled(made.generator, bundle.spec.condition_dim)).all():
        msg = (
            f"model '{bundle.run.model_name}': found no finite cells without "
            f"{', '.join(storage.left_out) or 'any change'}, expected showers; keep all weights"
        )
        raise BundleError(msg)
    return made


def used_tensors(bundle: Bundle) -> set[str]:
    """Return the names of the parameters and buffers that sampling and cell law touch.

    Every function of PyTorch that they call is watched, so that it holds for any model. Tensors
    that hold no floating-point numbers count as used: they cost nothing.
    """
    touched = _Touched()
    with touched:
        _sampled(bundle.generator, bundle.spec.condition_dim)
    # Of an alias the same memory was used.
    return {
        name
        for name, tensor in bundle.model.state_dict().items()
        if not tensor.is_floating_point() or _memory(tensor) in touched.memory
    }


def _sampled(generator: ShowerGenerator, condition_dim: int) -> Tensor:
    """Cells and the numbers of the cell law for some inputs, in one row of numbers."""
    rng = torch.Generator().manual_seed(0)
    conditions = torch.randn(_ROWS, condition_dim, generator=rng)
    noise = torch.randn(_ROWS, generator.noise_dim, generator=rng)
    with torch.inference_mode():
        law = vars(generator.cell_law).values()
        numbers = torch.tensor([x for x in law if isinstance(x, float)])
        tables = [x.float().ravel() for x in law if isinstance(x, Tensor)]
        cells = generator.sample(conditions, noise).float().ravel()
        return torch.cat((cells, numbers, *tables))


class _Touched(TorchFunctionMode):
    """Remembers the memory of all tensors that functions were given."""

    def __init__(self) -> None:
        super().__init__()
        self.memory: set[int] = set()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - PyTorch's signature
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - PyTorch's signature
        given = dict(kwargs or {})
        self.memory |= {_memory(t) for t in _tensors([*args, *given.values()])}
        return func(*args, **given)


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
