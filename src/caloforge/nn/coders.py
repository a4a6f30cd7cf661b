"""Encoders and decoders: dense for any detector, convolutional for grids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from caloforge.errors import ConfigError
from caloforge.nn.conv import ConvDecoder, ConvEncoder
from caloforge.nn.mlp import MLP, dense_layers
from caloforge.nn.shapes import ShapeDecoder
from caloforge.nn.upsampling import UpsamplingDecoder
from caloforge.nn.widths import check_widths
from caloforge.types import LEAKY_SLOPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.nn.spec import ShowerSpec
    from caloforge.types import DenseLayer

NETWORKS = ("mlp", "shapes", "conv", "upsampling")
DENSE = ("mlp", "shapes")  # for any detector, grid or not


class DenseEncoder(nn.Module):
    """An MLP on cells and, if any, conditions.

    Arguments:
        cells: Cells of a shower.
        hidden: Units of the hidden layers.
        condition_dim: Length of the condition vector, or 0.
        outputs: Length of the result.
    """

    def __init__(
        self, cells: int, hidden: Sequence[int], condition_dim: int, outputs: int
    ) -> None:
        super().__init__()
        self.mlp = MLP((cells + condition_dim, *hidden, outputs))

    def forward(self, showers: Tensor, conditions: Tensor | None = None) -> Tensor:
        """Map ``(batch, cell)``, ``(batch, condition)`` or None to ``(batch, outputs)``."""
        joined = showers if conditions is None else torch.cat((showers, conditions), dim=1)
        y: Tensor = self.mlp(joined)
        return y


class NoiseGenerator(nn.Module):
    """Noise and condition to a latent code: the learned prior of the e2e SAE.

    Noise and condition each pass a layer of their own and are then joined; without a condition
    the noise goes on alone.

    Arguments:
        noise_dim: Noise variables.
        condition_dim: Length of the condition vector, or 0.
        noise_width: Units of the noise layer.
        condition_width: Units of the condition layer, if there is one.
        hidden: Units of the joint layers.
        outputs: Length of the code.
    """

    def __init__(
        self,
        noise_dim: int,
        condition_dim: int,
        *,
        noise_width: int,
        condition_width: int,
        hidden: Sequence[int],
        outputs: int,
    ) -> None:
        super().__init__()
        self.noise = nn.Sequential(nn.Linear(noise_dim, noise_width), nn.LeakyReLU(LEAKY_SLOPE))
        self.condition: nn.Module = nn.Identity()
        joint = noise_width
        if condition_dim:
            self.condition = nn.Sequential(
                nn.Linear(condition_dim, condition_width), nn.LeakyReLU(LEAKY_SLOPE)
            )
            joint += condition_width
        self.joint = MLP((joint, *hidden, outputs), lambda: nn.LeakyReLU(LEAKY_SLOPE))

    def layers(self) -> list[DenseLayer]:
        """Return it as a chain: the layers of noise and condition are one with gaps."""
        first = dense_layers(self.noise, conditioned=False)
        if isinstance(self.condition, nn.Sequential):
            noise, condition = *first, *dense_layers(self.condition, conditioned=False)
            first = [
                noise._replace(
                    weight=torch.block_diag(  # type: ignore[no-untyped-call]
                        noise.weight, condition.weight
                    ),
                    bias=torch.cat((noise.bias, condition.bias)),
                    conditioned=True,
                )
            ]
        return [*first, *self.joint.dense_layers(conditioned=False)]

    def forward(self, noise: Tensor, conditions: Tensor) -> Tensor:
        """Map ``(batch, noise)`` and ``(batch, condition)`` to ``(batch, outputs)``."""
        codes: Tensor = self.joint(
            torch.cat((self.noise(noise), self.condition(conditions)), dim=1)
        )
        return codes


class ConstantDecoder(nn.Module):
    """The same outputs for every shower: what is left of a decoder without any input.

    Arguments:
        bias: Outputs at the start of training, ``(cell,)``.
    """

    def __init__(self, bias: Tensor) -> None:
        super().__init__()
        self.outputs = nn.Parameter(bias.clone())

    def forward(self, codes: Tensor) -> Tensor:
        """Map ``(batch, 0)`` to ``(batch, cell)``."""
        return self.outputs.expand(len(codes), -1)


def check_network(network: str, spec: ShowerSpec) -> None:
    """Refuse an unknown network, or convolutions without a grid.

    Raises:
        ConfigError: Naming what to do.
    """
    if network not in NETWORKS:
        msg = f"model.network: found '{network}', expected one of {', '.join(NETWORKS)}"
        raise ConfigError(msg)
    if network not in DENSE and spec.grid is None:
        msg = f"model.network: found '{network}' for a detector that is no grid; use 'mlp'"
        raise ConfigError(msg)


def make_encoder(
    network: str,
    spec: ShowerSpec,
    widths: Sequence[int],
    *,
    conditioned: bool,
    outputs: int,
    key: str = "model.encoder",
) -> DenseEncoder | ConvEncoder:
    """Make an encoder ``(showers, conditions or None) -> (batch, outputs)``.

    Arguments:
        network: ``"mlp"``; any other is convolutional.
        spec: Sizes of showers and conditions.
        widths: Units of the hidden layers, or channels of the convolutions.
        conditioned: Whether it sees the condition.
        outputs: Length of the result.
        key: Setting that holds the widths, for messages.

    Raises:
        ConfigError: If the network is unknown, or cannot have these widths.
    """
    check_network(network, spec)
    condition_dim = spec.condition_dim if conditioned else 0
    if network not in DENSE and spec.grid is not None:
        check_widths(
            key,
            widths,
            least=1,
            halvings=len(widths),
            grid=spec.grid,
            expected="channels of a few convolutions, each halving it; try [32, 64]",
        )
        return ConvEncoder(spec.grid, widths, condition_dim, outputs, spec.planes)
    check_widths(key, widths)
    return DenseEncoder(spec.n_cells, widths, condition_dim, outputs)


def make_decoder(
    network: str,
    spec: ShowerSpec,
    widths: Sequence[int],
    *,
    inputs: int,
    bias: Tensor,
    intensities: bool = False,
    key: str = "model.decoder",
) -> MLP | ShapeDecoder | ConvDecoder | UpsamplingDecoder | ConstantDecoder:
    """Make a decoder ``(batch, inputs) -> (batch, cell)``.

    Arguments:
        network: ``"mlp"``, ``"shapes"``, ``"conv"`` or ``"upsampling"``.
        spec: Sizes of showers and conditions.
        widths: Units of the hidden layers; for ``"shapes"`` those, then the number of shapes
            (see `ShapeDecoder`); for ``"conv"`` those of the dense layer, then the
            channels before each transposed convolution; for ``"upsampling"`` the same, then
            those before the last convolution.
        inputs: Length of code and condition together; with 0 no network is needed, as every
            shower is then the same.
        bias: Outputs at the start of training, ``(cell,)``; used by dense networks and without
            inputs.
        intensities: Whether outputs are logarithms of expected counts, as ``"shapes"`` needs.
        key: Setting that holds the widths, for messages.

    Raises:
        ConfigError: If the network is unknown, or cannot have these widths.
    """
    check_network(network, spec)
    if network == "shapes" and not intensities:
        msg = (
            "model.network: found 'shapes', which is for autoencoders whose model.cells are "
            "'poisson' or 'negative-binomial'; take 'mlp'"
        )
        raise ConfigError(msg)
    if network in DENSE or spec.grid is None:
        check_widths(key, widths, least=1 if network == "shapes" else 0)
    else:
        check_widths(
            key,
            widths,
            least=2,
            grid=spec.grid,
            expected="units of a dense layer, then channels; try [128, 64, 32]",
        )
    if inputs == 0:
        return ConstantDecoder(bias)
    if network == "conv" and spec.grid is not None:
        return ConvDecoder(inputs, widths[0], widths[1:], spec.grid, spec.planes)
    if network == "upsampling" and spec.grid is not None:
        return UpsamplingDecoder(inputs, widths[0], widths[1:], spec.grid, spec.planes)
    if network == "shapes":
        return ShapeDecoder(inputs, widths[:-1], widths[-1], bias, spec.grid)
    mlp = MLP((inputs, *widths, spec.n_cells))
    with torch.no_grad():
        mlp.last.weight.mul_(0.1)
        mlp.last.bias.copy_(bias)
    return mlp
