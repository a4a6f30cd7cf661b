"""Nearest training shower of each generated one: files and rows for `metrics.memorisation`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.data import ShowerFile, partition, read_showers, resolve
from caloforge.data.images import are_images
from caloforge.data.splits.shower_identity import shower_identity
from caloforge.errors import CaloforgeError, GeometryError
from caloforge.metrics.multivariate.memorisation import Memory, check_memory
from caloforge.metrics.multivariate.nearest import Nearest, centred, nearest

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from caloforge.data import ShowerSample
    from caloforge.explain.subject import Subject
    from caloforge.training.bundle import Bundle

N_PERMUTATIONS = 999
N_PAIRS = 6
# The gallery shows showers that are bright enough to be told apart.
_BRIGHT = 0.5


class Training(NamedTuple):
    """Showers that a model was trained on.

    Attributes:
        sample: The showers; ``None`` if they cannot be had.
        note: Which they are, or why they cannot be had.
    """

    sample: ShowerSample | None
    note: str


class Recall(NamedTuple):
    """Nearest training showers, of generated and of held-out showers.

    Attributes:
        memory: The comparison.
        generated: Nearest training showers of the generated ones.
        held_out: The same for full simulation of the same particles.
        showers: Closest generated showers, relative to their response, ``(pair, cell)``.
        originals: Their nearest training showers, ``(pair, cell)``.
        distances: Between the two, ``(pair,)``.
        expected: Median distance of held-out showers of like response, ``(pair,)``.
    """

    memory: Memory
    generated: Nearest
    held_out: Nearest
    showers: NDArray[Any]
    originals: NDArray[Any]
    distances: NDArray[np.float64]
    expected: NDArray[np.float64]


def find_training(bundle: Bundle, given: str | Path | None) -> Training:
    """Read the showers that a model was trained on.

    Arguments:
        bundle: The model.
        given: Their file or sample; by default the one that the bundle names, without its
            validation side. A given file with the bundle's checksum is split likewise.

    Raises:
        DataFormatError: If a given file is unusable.
        GeometryError: If it is of another detector.
    """
    data = bundle.info.get("data", {})
    source = given or data.get("source")
    if not source:
        return Training(None, "the bundle does not name its training showers; give --training")
    try:
        path = resolve(source)
        with ShowerFile(path) as file:
            same = file.sha256() == data.get("sha256")
        if not same and given is None:
            return Training(
                None,
                f"{source} has changed since the training; give the training showers with "
                "--training",
            )
        sample = read_showers(path)
    except CaloforgeError:
        if given is not None:
            raise
        return Training(
            None,
            f"the training showers, {source}, are not there; give them with --training",
        )
    if not sample.geometry.same_cells(bundle.geometry):
        msg = (
            f"{source}: found showers of detector '{sample.geometry.name}', expected "
            f"'{bundle.geometry.name}' as of the bundle; give its training showers"
        )
        raise GeometryError(msg)
    if not same:
        return Training(sample, f"{source}, all {len(sample):,} showers")
    try:
        split = partition(sample, bundle.run.data.split_plan, bundle.run.data.selection)
    except CaloforgeError as error:  # e.g. the list of the validation side is not there
        return Training(None, f"the training side cannot be told: {error}")
    note = f"{source}, the {len(split.train):,} showers of the training side"
    return Training(sample.select(split.train), note)


def held_out_rows(subject: Subject, training: ShowerSample) -> NDArray[np.int64]:
    """Rows of the sample whose incident particle was not trained on; of images, the image."""
    known = np.isin(_identity(subject.sample), _identity(training))
    return np.flatnonzero(~known)


def _identity(sample: ShowerSample) -> NDArray[np.bytes_]:
    """Fingerprint of what may be trained on only once."""
    particles = sample.particles.identity()
    if are_images(sample.particles.columns, sample.geometry):
        return shower_identity(particles, sample.showers)
    return particles


def recall(
    subject: Subject,
    training: ShowerSample,
    rows: NDArray[np.int64],
    *,
    seed: int,
    rng: np.random.Generator,
) -> Recall:
    """Generate a shower for the particle of each of some showers, and compare.

    Arguments:
        subject: The model, and full simulation.
        training: Showers that it was trained on.
        rows: Showers of the subject's sample that it was not trained on.
        seed: Of the generated showers.
        rng: Source of the permutations.
    """
    geometry = subject.geometry
    generated = subject.generate(rows, seed=seed)
    particle = subject.particle[rows]
    trained = centred(training.showers, geometry)
    own = subject.sample.showers[rows]
    found = [nearest(centred(showers, geometry), trained) for showers in (generated, own)]
    memory = check_memory(
        found[0], particle, found[1], particle, rng=rng, n_permutations=N_PERMUTATIONS
    )
    response, expected = generated.sum(axis=1, dtype=np.float64), _expected(own, found[1])
    usual = expected(response)
    bright = response >= np.quantile(response, _BRIGHT)
    closeness = np.where(
        bright & (usual > 0), found[0].distance / np.maximum(usual, 1e-9), np.inf
    )
    chosen = np.argsort(closeness, kind="stable")[
        : min(N_PAIRS, int(np.isfinite(closeness).sum()))
    ]
    return Recall(
        memory=memory,
        generated=found[0],
        held_out=found[1],
        showers=generated[chosen],
        originals=training.showers[found[0].row[chosen]],
        distances=found[0].distance[chosen],
        expected=usual[chosen],
    )


def _expected(showers: NDArray[Any], found: Nearest) -> Any:  # noqa: ANN401 - a function
    """Median distance against response, in bins of equal number, interpolated."""
    response = showers.sum(axis=1, dtype=np.float64)
    order = np.argsort(response, kind="stable")
    bins = np.array_split(order, max(1, min(20, len(order) // 20)))
    at = np.array([np.median(response[part]) for part in bins])
    distance = np.array([np.median(found.distance[part]) for part in bins])
    return lambda x: np.interp(x, at, distance)
