"""Which particles of a comparison were not trained on: only these can show memory."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from caloforge.data import ShowerSample
    from caloforge.metrics.samples.trial import Trial


def held_out_particles(trial: Trial, training: ShowerSample) -> NDArray[np.bool_]:
    """Find the particles of a trial that are not in the training sample.

    Full simulation of a particle that was trained on is as near to the training showers as a
    copy is: judged by it, every generator is innocent. Particles are told by their properties,
    whatever their ids; where several particles of the trial share theirs, as in a beam, by
    showers: all of the particle's showers of full simulation that are not empty are among the
    training showers.

    Arguments:
        trial: What is compared.
        training: Showers that the generators were trained on.

    Returns:
        True for those that take part, ``(particle,)``.

    Raises:
        DataFormatError: If none is left.
    """
    own, other = _numbers(trial, training)
    found = np.isin(own, other)
    shared = np.bincount(own)[own] > 1
    trained = found & ~shared
    doubtful = found & shared
    if doubtful.any():
        trained |= doubtful & _all_in(
            trial, training.showers[np.isin(other, own[doubtful])], doubtful
        )
    if trained.all():
        msg = (
            f"--training: found the reference's own particles in {training.source}, expected "
            "others; give the showers that the generator was trained on, not the reference"
        )
        raise DataFormatError(msg)
    return ~trained


def _numbers(
    trial: Trial, training: ShowerSample
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Equal numbers for particles of equal properties: of the trial, of each training row."""
    names = [name for name in trial.incoming.names if name in training.particles.names]
    columns = [trial.incoming.names.index(name) for name in names]
    table = np.concatenate(
        (
            trial.incoming.properties[:, columns],
            np.stack([training.particles[name] for name in names], axis=1),
        )
    )
    # In single precision, as some files are; adding zero turns -0.0 into 0.0.
    rows = table.astype(np.float32) + 0
    number = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return number[: trial.n_particles], number[trial.n_particles :]


def _all_in(
    trial: Trial, showers: NDArray[Any], particles: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether all showers of a particle that are not empty are among others, and it has any."""
    reference = trial.reference
    dtype = np.result_type(reference.showers, showers)
    known = {_digest(shower, dtype) for shower in showers}
    rows = np.flatnonzero(particles[reference.particle] & reference.showers.any(axis=1))
    equal = np.array([_digest(reference.showers[row], dtype) in known for row in rows], bool)
    lit = np.bincount(reference.particle[rows], minlength=trial.n_particles)
    inside = np.bincount(reference.particle[rows], equal, minlength=trial.n_particles)
    found: NDArray[np.bool_] = (lit > 0) & (inside == lit)
    return found


def _digest(shower: NDArray[Any], dtype: DTypeLike) -> bytes:
    return hashlib.blake2b(shower.astype(dtype).tobytes(), digest_size=16).digest()
