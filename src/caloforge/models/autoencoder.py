"""What all autoencoders have in common: codes are decoded with the condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from caloforge.nn.shapes import ShapeDecoder
from caloforge.types import CellLaw, DenseChain, Objective, Phase, ShowerBatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.nn import CellHead


class Autoencoder(nn.Module):
    """Base of the models that generate by way of codes, in one phase of training.

    A model sets `decoder` and `cells`, in an order of its own (checkpoints know it), and says
    what its codes and its objective are.

    Attributes:
        decoder: ``(batch, latent + condition) -> (batch, cell)``.
        cells: Meaning and loss of the decoder's outputs.
    """

    decoder: nn.Module
    cells: CellHead

    @property
    def cell_law(self) -> CellLaw:
        """How counts are drawn."""
        return self.cells.law()

    def sample_latent(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Generated codes, ``(batch, condition), (batch, noise) -> (batch, latent)``."""
        raise NotImplementedError

    def objective(self, batch: ShowerBatch, rng: torch.Generator) -> Objective:
        """What training minimises."""
        raise NotImplementedError

    def decoder_inputs(self, codes: Tensor, conditions: Tensor) -> Tensor:
        """What the decoder sees, ``(batch, latent), (batch, condition) -> (batch, inputs)``."""
        return torch.cat((codes, conditions), dim=1)

    def outputs(self, codes: Tensor, conditions: Tensor) -> Tensor:
        """Decoder outputs, ``(batch, latent), (batch, condition) -> (batch, cell)``."""
        outputs: Tensor = self.decoder(self.decoder_inputs(codes, conditions))
        return outputs

    def decode(self, codes: Tensor, conditions: Tensor) -> Tensor:
        """Cells, ``(batch, latent), (batch, condition) -> (batch, cell)``."""
        return self.cells(self.outputs(codes, conditions))

    def sample(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """One shower per condition and normal noise, ``-> (batch, cell)``."""
        return self.decode(self.sample_latent(conditions, noise), conditions)

    def shapes(self) -> Tensor | None:
        """Shapes of hits, ``(shape, cell)``, if the decoder makes showers of them."""
        return self.decoder.shapes() if isinstance(self.decoder, ShapeDecoder) else None

    def amounts(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Expected counts of each shape, ``(batch, condition), (batch, noise) -> ...``.

        Returns:
            ``(batch, shape)``.

        Raises:
            TypeError: If the decoder knows no shapes.
        """
        if not isinstance(self.decoder, ShapeDecoder):
            raise TypeError
        codes = self.sample_latent(conditions, noise)
        return self.decoder.amounts(self.decoder_inputs(codes, conditions))

    def amount_chain(self) -> DenseChain | None:
        """No chain, if a model does not say how its codes come about."""
        return None

    def phases(self) -> Sequence[Phase]:
        """All parts move together, in one update."""
        return (Phase("autoencoder", self.parameters, self.objective),)
