"""The particle kind that a user says, beside what files say themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_known(pdg: int | None) -> None:
    """Refuse a number that is no particle.

    Raises:
        ConfigError: If it is none.
    """
    if pdg is None:
        return
    from particle import InvalidParticle, Particle, ParticleNotFound  # it takes a while

    try:
        Particle.from_pdgid(pdg)
    except (ParticleNotFound, InvalidParticle) as error:
        msg = f"pdg {pdg}: found no such particle, expected a code, e.g. 11; correct --pdg"
        raise ConfigError(msg) from error


def said(kinds: NDArray[Any], pdg: int | None, *, where: str) -> NDArray[Any]:
    """Return the kinds of some rows, as the file has them or as the user said.

    Arguments:
        kinds: PDG codes in the file, ``(n,)``; 0 or NaN where it does not say.
        pdg: What the user said of all rows; ``None`` for nothing.
        where: The file, for the message.

    Raises:
        ConfigError: If both say something, and not the same.
    """
    if pdg is None:
        return kinds
    differ = np.isfinite(kinds) & (kinds != 0) & (kinds != pdg)
    if differ.any():
        found = kinds[int(np.argmax(differ))]
        msg = (
            f"{where}: says its kinds itself, found pdg {found:.10g}, expected {pdg} by --pdg; "
            "leave --pdg out"
        )
        raise ConfigError(msg)
    return np.full(len(kinds), pdg)
