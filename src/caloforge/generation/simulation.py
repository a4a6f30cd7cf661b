"""Fast simulation: a trained model and a seed turn incident particles into showers.

A shower depends on its particle, its number and the seed, and on nothing else: not on the
batch size, nor on which others are made in the same call. Random numbers are keyed by (seed,
shower). Networks are run on tiles of `TILE` showers, always all of them: the last bits of a
matrix product depend on the sizes of the matrices, and those of a row on its place. Shower k is
row ``k % TILE`` of tile ``k // TILE``; rows that nobody asked for are filled with zeros. A
simulation that makes showers one by one has tiles of one row.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from caloforge import __version__
from caloforge.data.files.shower_file import ShowerSample
from caloforge.errors import ConfigError
from caloforge.generation.batches import rebatched
from caloforge.generation.cell_drawing import CellDrawing
from caloforge.generation.chain import CompiledChain
from caloforge.generation.counts import checked_law
from caloforge.generation.devices import chosen_device, using_threads
from caloforge.generation.hits import HitDrawing
from caloforge.generation.random_numbers import check_seed, normal
from caloforge.generation.trained_range import RangeCount
from caloforge.training.bundle import read_bundle
from caloforge.types import ShapeGenerator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from caloforge.data.particles import Particles
    from caloforge.geometry import DetectorGeometry
    from caloforge.training.bundle import Bundle

# Rows of a network's input. Never change it: every shower would change in its last bits.
TILE = 64
# Showers whose conditions are computed together; whole tiles.
GROUP = 16 * TILE
BATCH_SIZE = GROUP


class FastSimulation:
    """A trained model, ready to make showers.

    Arguments:
        bundle: The model with its conditions and geometry.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU if there is one. Showers of
            different devices differ in their last bits.
        threads: CPU threads while generating. One is fastest on most networks; showers of
            other numbers of threads may differ in their last bits.
        one_by_one: Make every shower by itself: the least time for a single one, more for
            many. The network's last bits differ from those in tiles, also with and without
            numba, and with them some counts.
        compiled: Use numba if it is installed (extra ``fast``).
        source: Where the bundle came from, for the provenance of showers.
        weights_sha256: Checksum of its weights, for the same purpose.

    Raises:
        ConfigError: If there is no such device, or no thread.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        device: str = "cpu",
        threads: int = 1,
        one_by_one: bool = False,
        compiled: bool = True,
        source: str = "",
        weights_sha256: str = "",
    ) -> None:
        if threads < 1:
            msg = f"threads: found {threads}, expected 1 or more; 1 is fastest as a rule"
            raise ConfigError(msg)
        self.bundle = bundle
        self.device = chosen_device(device)
        self.threads = threads
        self.one_by_one = one_by_one
        self._tile_rows, self._group_rows = (1, 1) if one_by_one else (TILE, GROUP)
        self._origin = {"bundle": source, "weights_sha256": weights_sha256}
        self._model = bundle.generator
        with torch.inference_mode():  # the law may hold learned parameters
            self._law = checked_law(self._model.cell_law)
        bundle.model.to(self.device).eval()
        self._frame = bundle.frame
        self._hits, self._run = self._way(compiled)
        self._cells = CellDrawing(self._law, self.geometry)
        self._chain = self._compiled_chain()

    def _way(
        self, compiled: bool
    ) -> tuple[HitDrawing | None, Callable[[Tensor, Tensor], Tensor]]:
        """What draws hits, and what gives it the amounts of shapes; or what gives cells."""
        model = self._model
        if not isinstance(model, ShapeGenerator):
            return None, model.sample
        with torch.inference_mode():
            shapes = model.shapes()
        if shapes is None:
            return None, model.sample
        table = shapes.double().cpu().numpy()
        return HitDrawing(table, self._law, self._frame, compiled=compiled), model.amounts

    def _compiled_chain(self) -> CompiledChain | None:
        """The network for single showers, where it is a chain and numba is installed."""
        compiled = self._hits is not None and self._hits.loops is not None
        alone = self.one_by_one and self.device.type == "cpu"
        if not (compiled and alone and isinstance(self._model, ShapeGenerator)):
            return None
        with torch.inference_mode():
            chain = self._model.amount_chain()
        return None if chain is None else CompiledChain(chain)

    @property
    def geometry(self) -> DetectorGeometry:
        """The detector."""
        return self.bundle.geometry

    def provenance(self, *, seed: int, repeats: int = 1, first: int = 0) -> dict[str, Any]:
        """Say how showers are made, so that they can be made again."""
        return {
            "program": f"caloforge {__version__}",
            "model": self.bundle.run.model_name,
            **self._origin,
            "training selection": self._trained_under(),
            "seed": seed,
            "repeats": repeats,
            "first shower": first,
            "device": str(self.device),
            "threads": self.threads,
            "one by one": self.one_by_one,
            "network": "torch" if self._chain is None else "numba",
            "torch": torch.__version__,
            "numpy": np.__version__,
        }

    def _trained_under(self) -> dict[str, Any]:
        """Selection of the training showers; bundles of older versions have that of the run."""
        stored = self.bundle.info.get("data", {}).get("selection")
        selection = self.bundle.run.data.selection
        return stored or {"text": selection.text(), **selection.as_dict()}

    def generate(
        self,
        particles: Particles,
        *,
        seed: int = 0,
        repeats: int = 1,
        first: int = 0,
        strict: bool = False,
    ) -> ShowerSample:
        """Make showers in memory.

        Arguments:
            particles: Incident particles, ``n`` rows.
            seed: Equal seeds give equal showers.
            repeats: Independent showers of each particle, adjacent in the result.
            first: Number of the first shower. A part of a sample is made alone by giving its
                particles and the number that its first shower has in the whole.
            strict: Refuse particles outside the trained range instead of warning.

        Returns:
            ``n * repeats`` showers in the order of the particles: counts as unsigned integers,
            energies as float32. ``incident`` is that of the particles.

        Raises:
            DataFormatError: If a column that the model needs is missing, there is no particle,
                or, with ``strict``, a particle is outside the trained range.
            ConfigError: If the seed, ``repeats`` or ``first`` is out of range.
            BundleError: If the model gives cells that are no numbers.

        Warns:
            RangeWarning: If particles are outside the trained range.

        Example:
            >>> import caloforge  # doctest: +SKIP
            >>> sample = caloforge.load_sample("zn-test")  # doctest: +SKIP
            >>> caloforge.load("run").generate(sample.particles, seed=1)  # doctest: +SKIP
        """
        count = RangeCount(self.bundle)
        count.add(particles)
        count.report(strict=strict, source="particles", stacklevel=2)
        chunks = self.chunks(particles, seed=seed, repeats=repeats, first=first)
        made = [showers for _, showers in chunks]
        return ShowerSample(
            particles=particles.repeated(repeats),
            # An integer type of the pieces may be larger in some; all then get it.
            showers=np.concatenate([self._empty(0), *made]),
            geometry=self.geometry,
            cpu_seconds=None,
            provenance=self.provenance(seed=seed, repeats=repeats, first=first),
            source=self.bundle.run.title or self.bundle.run.model_name,
        )

    def showers(self, particles: Particles, *, seed: int = 0, first: int = 0) -> NDArray[Any]:
        """Make one shower for each incident particle, and nothing around them.

        The same showers as `generate` makes, for a simulation that asks for a few at a time and
        counts: the trained range is not looked at, no provenance is written.

        Arguments:
            particles: As in `generate`.
            seed: As in `generate`.
            first: As in `generate`: the number of showers made before.

        Returns:
            Counts or energies, ``(n, cell)``.
        """
        _check_numbers(seed, first=first)
        made = [showers for _, showers in self._groups(particles, seed, 1, first)]
        return made[0] if len(made) == 1 else np.concatenate([self._empty(0), *made])

    def chunks(
        self,
        particles: Particles,
        *,
        seed: int = 0,
        repeats: int = 1,
        first: int = 0,
        batch_size: int = BATCH_SIZE,
    ) -> Iterator[tuple[Particles, NDArray[Any]]]:
        """Make showers piece by piece, in the memory of one piece.

        Arguments:
            particles: As in `generate`.
            seed: As in `generate`.
            repeats: As in `generate`.
            first: As in `generate`.
            batch_size: Showers in a piece; the last may be smaller. It does not change them.

        Yields:
            Incident particle of each shower, and the showers ``(batch_size, cell)``; counts
            are uint16, or uint32 if a cell of the piece needs it.
        """
        _check_numbers(seed, repeats=repeats, batch_size=batch_size, first=first)
        yield from rebatched(self._groups(particles, seed, repeats, first), batch_size)

    def _groups(
        self, particles: Particles, seed: int, repeats: int, first: int
    ) -> Iterator[tuple[Particles, NDArray[Any]]]:
        start, end = first, first + len(particles) * repeats
        while start < end:
            stop = min((start // self._group_rows + 1) * self._group_rows, end)
            rows = particles
            if stop - start != len(particles) or repeats != 1:
                rows = particles.select((np.arange(start, stop) - first) // repeats)
            with using_threads(self.threads):
                showers = self._group(rows, start, seed)
            yield rows, showers
            start = stop

    def _group(self, particles: Particles, start: int, seed: int) -> NDArray[Any]:
        """Make showers ``start`` to ``start + len(particles)``, all of one group."""
        particles.front_face(self.geometry.front_face_z_cm)  # once, for all that need it
        # Whole tiles: NumPy, too, may treat the ends of an array otherwise than the rest.
        tile_rows = self._tile_rows
        low = start % tile_rows
        high = low + len(particles)
        size = -(-high // tile_rows) * tile_rows
        numbers = np.arange(start - low, start - low + size)
        loops = self._hits.loops if self._hits is not None else None
        noise = normal(seed, numbers[low:high], self._model.noise_dim, loops)
        padded = particles
        if size != len(particles):
            rows = np.zeros(size, dtype=np.int64)
            rows[low:high] = np.arange(len(particles))
            padded = particles.select(rows)
            noise = np.pad(noise, ((low, size - high), (0, 0)))
        conditions = self.bundle.conditions.scaled(padded, self.geometry)
        conditions[:low], conditions[high:] = 0, 0
        tiles = [slice(tile, tile + tile_rows) for tile in range(0, size, tile_rows)]

        if self._hits is not None:
            amounts = [self._network(conditions[tile], noise[tile]) for tile in tiles]
            return self._hits.draw(
                amounts[0][low:high] if len(tiles) == 1 else np.concatenate(amounts)[low:high],
                particles,
                seed=seed,
                showers=numbers[low:high],
                apart=self._law.apart(conditions[low:high]),
            )
        # One array from the start: pieces of it, held meanwhile, would fragment the memory.
        made = self._empty(len(particles))
        for tile in tiles:
            asked = slice(max(low - tile.start, 0), min(high - tile.start, tile_rows))
            cells = np.zeros((tile_rows, self.geometry.n_cells), dtype=np.float32)
            cells[asked] = self._network(conditions[tile], noise[tile])[asked]
            rows_here = padded.select(tile)
            cells = self._frame.completed(cells, rows_here)
            order = self._frame.order(rows_here)
            apart = self._law.apart(conditions[tile])
            showers = self._cells.draw(
                cells, seed=seed, showers=numbers[tile], order=order, apart=apart
            )[asked]
            if made.dtype == np.uint16 and showers.max() > np.iinfo(np.uint16).max:
                made = made.astype(np.uint32)
            first = tile.start - low
            made[first + asked.start : first + asked.stop] = showers
        return made

    def _network(
        self, conditions: NDArray[np.float32], noise: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Run the model on one tile."""
        if self._chain is not None:
            return self._chain(conditions, noise)
        # Copies: fast routines choose their way by the alignment of the memory, too.
        inputs = (torch.tensor(array, device=self.device) for array in (conditions, noise))
        with torch.inference_mode(), self._exact():
            made: NDArray[np.float32] = self._run(*inputs).float().cpu().numpy()
        return made

    def _exact(self) -> AbstractContextManager[None]:
        """What makes a GPU give the same bits every time."""
        if self.device.type == "cpu":
            return nullcontext()
        return torch.backends.cudnn.flags(deterministic=True, benchmark=False, allow_tf32=False)

    def _empty(self, n: int) -> NDArray[Any]:
        """Room for showers, in the type that they have as a rule."""
        dtype = np.uint16 if self.geometry.counts else np.float32
        return np.empty((n, self.geometry.n_cells), dtype=dtype)


def load(
    path: str | Path, *, device: str = "cpu", threads: int = 1, one_by_one: bool = False
) -> FastSimulation:
    """Load a trained model.

    Arguments:
        path: Folder of a bundle, or of the run that made it, or the name of a bundle that comes
            with caloforge.
        device: As in `FastSimulation`.
        threads: As in `FastSimulation`.
        one_by_one: As in `FastSimulation`.

    Raises:
        BundleError: If there is none, or it is damaged, foreign, or of a newer version.
        ConfigError: If there is no such device, or no thread.

    Warns:
        BundleNote: If a folder was taken where there is also a bundle of that name.
    """
    bundle = read_bundle(path)
    return FastSimulation(
        bundle,
        device=device,
        threads=threads,
        one_by_one=one_by_one,
        source=str(path),
        weights_sha256=bundle.weights_sha256,
    )


def _check_numbers(seed: int, **numbers: int) -> None:
    """Refuse a seed, and numbers of showers, that are out of range."""
    check_seed(seed)
    for name, value in numbers.items():
        low = 0 if name == "first" else 1
        if not low <= value < 2**62:
            called = name.replace("_", " ")
            msg = f"{called}: found {value}, expected {low} or more; correct it"
            raise ConfigError(msg)
