"""A batch that several processes share: what needs all of it, and noise that does not change.

Training on several devices gives each process an equal share of every batch: with W processes
the process r has the rows r, r + W, r + 2 W, ... What is a mean over showers needs no more, as
gradients are averaged. What looks at the whole batch is `gathered`. Every process draws the
random numbers of the whole batch and takes its `own`. A step is then the one that a single
process would have made, but for rounding.

Outside of `shared_batch`, and with one process, everything here is the identity.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, distributed
from torch.autograd import Function

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHARED: ContextVar[bool] = ContextVar("shared", default=False)


@contextmanager
def shared_batch() -> Iterator[None]:
    """Say that batches are shares of larger ones, if there are several processes."""
    token = _SHARED.set(distributed.is_available() and distributed.is_initialized())
    try:
        yield
    finally:
        _SHARED.reset(token)


def share() -> tuple[int, int]:
    """Number of this process, and of all that share the batch; ``(0, 1)`` if none do."""
    return (distributed.get_rank(), distributed.get_world_size()) if _SHARED.get() else (0, 1)


def own(x: Tensor) -> Tensor:
    """Rows of this process, ``(W * n, ...) -> (n, ...)``."""
    rank, world = share()
    return x if world == 1 else x[rank::world]


def gathered(x: Tensor) -> Tensor:
    """Rows of all processes in the order of the whole batch, ``(n, ...) -> (W * n, ...)``.

    The gradient reaches the rows of every process. Each process may make another loss of the
    result; the mean of their gradients is the gradient of the mean loss.
    """
    rank, world = share()
    if world == 1:
        return x
    if x.numel() == 0:  # no conditions: nothing to be sent
        return x.new_empty(world * len(x), *x.shape[1:])
    return cast("Tensor", _Gather.apply(x, rank, world))  # type: ignore[no-untyped-call]


def summed(x: Tensor) -> Tensor:
    """Sum of ``x`` over the processes, elementwise; differentiable."""
    if share()[1] == 1:
        return x
    return cast("Tensor", _Sum.apply(x))  # type: ignore[no-untyped-call]


def normal(n: int, dim: int, rng: torch.Generator, like: Tensor) -> Tensor:
    """Standard normal numbers for ``n`` rows of this process, ``(n, dim)``.

    Arguments:
        n: Rows.
        dim: Numbers a row.
        rng: In the same state in all processes; it is left in the same state in all.
        like: Gives dtype and device.
    """
    whole = (n * share()[1], dim)
    return own(torch.randn(whole, generator=rng, device=like.device, dtype=like.dtype))


def uniform(n: int, dim: int, rng: torch.Generator, like: Tensor) -> Tensor:
    """Numbers from 0 to 1 for ``n`` rows of this process, ``(n, dim)``; else as `normal`."""
    whole = (n * share()[1], dim)
    return own(torch.rand(whole, generator=rng, device=like.device, dtype=like.dtype))


def finite(x: Tensor) -> bool:
    """Whether ``x`` is finite in all processes, so that all of them stop or none."""
    bad = (~torch.isfinite(x.detach())).sum().float()
    return float(summed(bad)) == 0


class _Gather(Function):
    """All rows in all processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rank: int, world: int) -> Tensor:  # noqa: ANN401
        ctx.rank, ctx.world = rank, world
        parts = [
            torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(world)
        ]
        distributed.all_gather(parts, x.contiguous())
        return torch.stack(parts, dim=1).flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        total = _Sum.apply(upstream)  # type: ignore[no-untyped-call]
        return total[ctx.rank :: ctx.world], None, None


class _Sum(Function):
    """Sum over processes, which is its own adjoint."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401, ARG004
        total = x.detach().clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:  # noqa: ANN401, ARG004
        return cast("Tensor", _Sum.apply(upstream))  # type: ignore[no-untyped-call]
