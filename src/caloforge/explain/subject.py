"""A trained model and full simulation of its detector; cells in the detector's order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.data.images import are_images
from caloforge.generation.cell_drawing import CellDrawing
from caloforge.generation.counts import to_detector
from caloforge.metrics import measure
from caloforge.metrics.shower.catalogue import observables
from caloforge.types import LatentGenerator

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from caloforge.data import Particles, ShowerSample
    from caloforge.generation import FastSimulation
    from caloforge.geometry import DetectorGeometry
    from caloforge.training.bundle import Bundle

    Array = NDArray[np.float64]

_ROWS = 1024  # showers that go through a network at a time


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained model, and full-simulation showers of its detector.

    Attributes:
        simulation: The model, ready to make showers.
        sample: Full simulation.
    """

    simulation: FastSimulation
    sample: ShowerSample

    @property
    def bundle(self) -> Bundle:
        """The model with its conditions and frame of cells."""
        return self.simulation.bundle

    @property
    def geometry(self) -> DetectorGeometry:
        """The detector."""
        return self.bundle.geometry

    @cached_property
    def images(self) -> bool:
        """Whether the showers are images, which have a label and no particle."""
        return are_images(self.sample.particles.columns, self.geometry)

    @cached_property
    def latent(self) -> LatentGenerator | None:
        """The model as one with codes, if it has an encoder and the bundle its weights."""
        model = self.bundle.model
        whole = not self.bundle.storage.generates_only
        return model if isinstance(model, LatentGenerator) and whole else None

    @cached_property
    def particle(self) -> NDArray[np.int64]:
        """Number of each shower's incident particle, from 0, ``(n,)``."""
        return np.unique(self.sample.particles.incident, return_inverse=True)[1]

    @cached_property
    def observed(self) -> dict[str, Array]:
        """Shower shapes of the full simulation by name, ``(n,)`` each."""
        return self.shapes(self.sample.showers)

    def shapes(self, showers: NDArray[Any]) -> dict[str, Array]:
        """Shower shapes of cells ``(n, cell)`` by name, ``(n,)`` each."""
        known = observables(self.geometry)
        values = measure(known, showers)
        return {shape.name: values[:, k] for k, shape in enumerate(known)}

    def label(self, name: str) -> str:
        """Name and unit of a shower shape, for axes."""
        shape = next(s for s in observables(self.geometry) if s.name == name)
        return f"{shape.label} [{shape.unit}]" if shape.unit else shape.label

    def noise(self, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Noise as the model takes it, ``(n, noise)``."""
        dim = self.bundle.generator.noise_dim
        return rng.standard_normal((n, dim), dtype=np.float32)

    def encoded(
        self, rows: NDArray[np.int64], rng: np.random.Generator | None = None
    ) -> NDArray[np.float32]:
        """Codes of showers of the sample, ``(n, latent)``.

        Arguments:
            rows: Which showers.
            rng: Draws the codes as training draws those that are matched; ``None`` gives the
                most probable ones.
        """
        model = self._model()
        bundle = self.bundle
        data = ShowerDataset(self.sample, bundle.conditions, bundle.frame.centre_on_impact)
        codes = []
        for start in range(0, len(rows), _ROWS):
            batch = data.batch(rows[start : start + _ROWS])
            noise = None
            if rng is not None:
                shape = (len(batch.showers), model.latent_dim)
                noise = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
            with torch.inference_mode():
                codes.append(model.encode(batch.showers, batch.conditions, noise).numpy())
        return np.concatenate(codes)

    def drawn_codes(
        self, particles: Particles, noise: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Codes generated for particles, ``(n, latent)``."""
        return self._through(particles, noise, self._model().sample_latent)

    def decoded(self, codes: NDArray[np.float32], particles: Particles) -> NDArray[np.float32]:
        """Expected cells of codes, ``(n, cell)``."""
        model = self._model()
        cells = self._through(particles, codes, lambda c, z: model.decode(z, c))
        return self._in_detector(cells, particles)

    def expected(self, particles: Particles, noise: NDArray[np.float32]) -> NDArray[np.float32]:
        """Expected cells of generated showers, ``(n, cell)``: before counts are drawn."""
        cells = self._through(particles, noise, self.bundle.generator.sample)
        return self._in_detector(cells, particles)

    def counts(self, cells: NDArray[np.float32], *, seed: int) -> NDArray[Any]:
        """Draw the counts or energies of expected cells ``(n, cell)``."""
        order = np.broadcast_to(np.arange(cells.shape[1]), cells.shape)
        with torch.inference_mode():
            law = self.bundle.generator.cell_law
        drawing = CellDrawing(law, self.geometry)
        return drawing.draw(cells, seed=seed, showers=np.arange(len(cells)), order=order)

    def generate(self, rows: NDArray[np.int64], *, seed: int) -> NDArray[Any]:
        """One generated shower for each of some showers of the sample, ``(n, cell)``."""
        particles = self.sample.particles.select(rows)
        pieces = [showers for _, showers in self.simulation.chunks(particles, seed=seed)]
        return np.concatenate(pieces)

    def _model(self) -> LatentGenerator:
        if self.latent is None:  # unreachable: callers ask first
            raise TypeError
        return self.latent

    def _through(
        self,
        particles: Particles,
        inputs: NDArray[np.float32],
        network: Callable[[Tensor, Tensor], Tensor],
    ) -> NDArray[np.float32]:
        """Run conditions and another input through a network, in pieces."""
        conditions = self.bundle.conditions.scaled(particles, self.geometry)
        results = []
        for start in range(0, len(inputs), _ROWS):
            part = slice(start, start + _ROWS)
            with torch.inference_mode():
                result = network(
                    torch.from_numpy(conditions[part]), torch.from_numpy(inputs[part])
                )
            results.append(result.float().numpy())
        return np.concatenate(results)

    def _in_detector(
        self, cells: NDArray[np.float32], particles: Particles
    ) -> NDArray[np.float32]:
        frame = self.bundle.frame
        moved = np.empty_like(cells)
        for start in range(0, len(cells), _ROWS):
            part = slice(start, start + _ROWS)
            here = particles.select(part)
            moved[part] = to_detector(frame.completed(cells[part], here), frame.order(here))
        return moved
