"""Batch normalisation: over all processes that share a batch, and without a trace."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch.nn.modules.batchnorm import _BatchNorm

from caloforge.nn.processes import share, summed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn


class SharedBatchNorm(_BatchNorm):
    """Batch normalisation with mean and variance of the whole batch of all processes.

    As `torch.nn.SyncBatchNorm`, which works on GPUs alone, but in plain operations, so that
    second derivatives (a gradient penalty) and CPUs work, too.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each channel of ``(batch, channel, ...)``."""
        _, world = share()
        if not self.training or world == 1:
            return super().forward(x)
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [1, -1] + [1] * (x.ndim - 2)
        n = world * x.numel() // x.shape[1]
        wide = x.float()
        mean = summed(wide.sum(axes)) / n
        away = wide - mean.reshape(shape)
        variance = summed(away.square().sum(axes)) / n
        if self.track_running_stats:
            self._remember(mean.detach(), variance.detach() * n / (n - 1))
        y = away * (variance.reshape(shape) + self.eps).rsqrt()
        if self.affine:
            y = y * self.weight.reshape(shape) + self.bias.reshape(shape)
        return y.to(x.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        self.get_buffer("num_batches_tracked").add_(1)
        step = self.momentum or 1 / float(self.get_buffer("num_batches_tracked"))
        self.get_buffer("running_mean").lerp_(mean, step)
        self.get_buffer("running_var").lerp_(variance, step)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        """Take any number of axes."""


def share_batch_norms(model: nn.Module) -> None:
    """Let every batch normalisation of a model see the batches of all processes.

    Parameters and buffers keep their names and identity.
    """
    for parent in list(model.modules()):
        for name, norm in list(parent.named_children()):
            if isinstance(norm, _BatchNorm) and not isinstance(norm, SharedBatchNorm):
                shared = SharedBatchNorm(
                    norm.num_features,
                    norm.eps,
                    norm.momentum,
                    norm.affine,
                    norm.track_running_stats,
                )
                shared._parameters, shared._buffers = norm._parameters, norm._buffers
                shared.training = norm.training
                setattr(parent, name, shared)


@contextmanager
def untouched_statistics(model: nn.Module) -> Iterator[None]:
    """Let batches pass a model without a change of its running means and variances."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    # In training this leaves the statistics alone; in evaluation they are needed.
    norms = [norm for norm in norms if norm.training]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
