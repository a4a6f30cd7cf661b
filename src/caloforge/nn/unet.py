"""U-Net over a grid of cells, steered by time and condition."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention

if TYPE_CHECKING:
    from collections.abc import Sequence

# Channels that are normalised together.
_GROUP = 4


def _norm(channels: int) -> nn.GroupNorm:
    """Normalisation of a shower by itself; no number of channels is refused."""
    return nn.GroupNorm(channels // _GROUP if channels % _GROUP == 0 else 1, channels)


class ResidualBlock(nn.Module):
    """Two convolutions around which the input goes, steered between them.

    Arguments:
        inside: Channels of the input.
        outside: Channels of the output.
        embedded: Features of the embedding, which gives factor and shift of each channel.
    """

    def __init__(self, inside: int, outside: int, embedded: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            _norm(inside), nn.SiLU(), nn.Conv2d(inside, outside, kernel_size=3, padding=1)
        )
        self.norm = _norm(outside)
        self.steer = nn.Linear(embedded, 2 * outside)
        self.second = nn.Sequential(
            nn.SiLU(), nn.Conv2d(outside, outside, kernel_size=3, padding=1)
        )
        self.around: nn.Module = (
            nn.Identity() if inside == outside else nn.Conv2d(inside, outside, kernel_size=1)
        )

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Map ``(batch, inside, x, y)`` and ``(batch, embedded)`` to ``outside`` channels."""
        factor, shift = self.steer(embedding)[:, :, None, None].chunk(2, dim=1)
        y = self.norm(self.first(x)) * (1 + factor) + shift
        z: Tensor = self.around(x) + self.second(y)
        return z


class ConditionedAttention(nn.Module):
    """Every place looks at all places, and at the condition as at one place more.

    Arguments:
        channels: Channels of a place.
        condition_dim: Length of the condition vector, or 0.
    """

    def __init__(self, channels: int, condition_dim: int) -> None:
        super().__init__()
        self.norm = _norm(channels)
        self.token = nn.Linear(condition_dim, channels) if condition_dim else None
        self.query = nn.Linear(channels, channels, bias=False)
        self.key = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(channels, channels, bias=False)
        self.out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, conditions: Tensor) -> Tensor:
        """Map ``(batch, channel, x, y)`` and ``(batch, condition)`` to the shape of ``x``."""
        places = self.norm(x).flatten(2).transpose(1, 2)  # (batch, place, channel)
        seen = places
        if self.token is not None:
            seen = torch.cat((places, self.token(conditions)[:, None]), dim=1)
        found = scaled_dot_product_attention(
            self.query(places), self.key(seen), self.value(seen)
        )
        y: Tensor = x + self.out(found).transpose(1, 2).reshape(x.shape)
        return y


class UNet(nn.Module):
    """Down to a small grid and up again, with what was seen on the way down beside it.

    Each level has residual blocks on the way down and as many on the way up; between levels a
    convolution of stride 2 halves the grid (rounded up), and cells are repeated and convolved
    to the size that the level above had: any size of grid will do. The lowest level ends with
    a residual block, attention and a residual block. Results start small.

    Arguments:
        grid: Cells along x and y.
        channels: Channels of each level.
        embedding: ``(batch, times), (batch, condition) -> (batch, embedded)``.
        embedded: Features of the embedding.
        condition_dim: Length of the condition vector, or 0.
        planes: Cells at each place of the grid.
        images: Results of the size of a shower.
        blocks: Residual blocks a level and way.

    References:
        | Denoising Diffusion Probabilistic Models (Ho et al., 2020), appendix B
        | https://arxiv.org/abs/2006.11239
    """

    def __init__(
        self,
        grid: tuple[int, int],
        channels: Sequence[int],
        embedding: nn.Module,
        *,
        embedded: int,
        condition_dim: int,
        planes: int = 1,
        images: int = 1,
        blocks: int = 2,
    ) -> None:
        super().__init__()
        self.shape = planes, *grid
        self.embedding = embedding
        self.first = nn.Conv2d(planes, channels[0], kernel_size=3, padding=1)
        self.down = nn.ModuleList(
            nn.ModuleList(ResidualBlock(c, c, embedded) for _ in range(blocks))
            for c in channels
        )
        self.narrow = nn.ModuleList(
            nn.Conv2d(high, low, kernel_size=3, stride=2, padding=1)
            for high, low in pairwise(channels)
        )
        lowest = channels[-1]
        self.before = ResidualBlock(lowest, lowest, embedded)
        self.attention = ConditionedAttention(lowest, condition_dim)
        self.after = ResidualBlock(lowest, lowest, embedded)
        # Each block on the way up sees what the block of its number made on the way down.
        self.up = nn.ModuleList(
            nn.ModuleList(ResidualBlock(2 * c, c, embedded) for _ in range(blocks))
            for c in channels
        )
        self.widen = nn.ModuleList(
            nn.Conv2d(low, high, kernel_size=3, padding=1) for high, low in pairwise(channels)
        )
        self.norm = nn.Sequential(_norm(channels[0]), nn.SiLU())
        self.last = nn.Conv2d(channels[0], images * planes, kernel_size=3, padding=1)
        with torch.no_grad():
            self.last.weight.mul_(0.1)
            self.last.bias.zero_()  # type: ignore[union-attr]

    def forward(self, x: Tensor, times: Tensor, conditions: Tensor) -> Tensor:
        """Map ``(batch, cell)``, times and conditions to ``(batch, images * cell)``."""
        embedding = self.embedding(times, conditions)
        y = self.first(x.reshape(-1, *self.shape))
        seen: list[list[Tensor]] = []
        for level, blocks in enumerate(self.down):
            if level:
                y = self.narrow[level - 1](y)
            seen.append([])
            for block in blocks:  # type: ignore[attr-defined]
                y = block(y, embedding)
                seen[-1].append(y)
        y = self.after(self.attention(self.before(y, embedding), conditions), embedding)
        for level in reversed(range(len(seen))):
            for block, beside in zip(self.up[level], reversed(seen[level]), strict=True):  # type: ignore[call-overload]
                y = block(torch.cat((y, beside), dim=1), embedding)
            if level:
                size = seen[level - 1][0].shape[2:]
                y = self.widen[level - 1](interpolate(y, size=size, mode="nearest"))
        result: Tensor = self.last(self.norm(y))
        return result.flatten(1)
