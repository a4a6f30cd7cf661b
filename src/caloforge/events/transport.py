"""From the collision to the front face: straight lines, and a thin dipole for charges."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caloforge.events.beamline import Beamline

GEV_PER_TM = 0.299792458
"""Momentum in GeV/c that a charge e gains in 1 T m: the speed of light in 10^9 m/s (exact)."""


class Arrival(NamedTuple):
    """Particles in the plane of the front face.

    Attributes:
        x_cm: From the middle of the face, ``(n,)``.
        y_cm: From the middle of the face, ``(n,)``.
        momentum_gev: What enters, ``(n, 3)``: after the dipole.
        behind: Made beyond the face: no way leads there, ``(n,)``; the rest is meaningless.
        bent_away: Too soft to pass the dipole, ``(n,)``; the rest is meaningless.
    """

    x_cm: NDArray[np.float64]
    y_cm: NDArray[np.float64]
    momentum_gev: NDArray[np.float64]
    behind: NDArray[np.bool_]
    bent_away: NDArray[np.bool_]


def to_front_face(
    vertex_cm: NDArray[np.float64],
    momentum_gev: NDArray[np.float64],
    charge_e: NDArray[np.float64],
    beamline: Beamline,
) -> Arrival:
    r"""Carry particles from where they were made to the plane of the front face.

    Neutral particles fly straight, and so do charged ones if there is no dipole or they are
    made behind it. Else they fly straight to its middle, where the momentum turns by

    .. math::
        \Delta p_x = -\mathrm{sign}(p_z) \; 0.2998 \; q \int B_y \, dz

    (GeV/c, e, T m), with p_y and the size of the momentum kept, and straight on. In a field
    that depends on z alone the change of momentum is exact. The point is that of a uniform
    field of length L up to L a^3, where a is the largest slope: 10 um for 10 mrad in a magnet
    of 9.45 m. Not in it: quadrupoles, solenoid, apertures, material, decays.

    Arguments:
        vertex_cm: Where they are made, in the laboratory, ``(n, 3)``.
        momentum_gev: With a component along z of the sign of the face's ``beam``, ``(n, 3)``.
        charge_e: In units of e, ``(n,)``.
        beamline: Face and dipole.

    Returns:
        Where and with what momentum they arrive.
    """
    face, dipole = beamline.face, beamline.dipole
    vertex, momentum = vertex_cm, momentum_gev
    bent_away = np.zeros(len(vertex), dtype=bool)
    if dipole is not None:
        before = (dipole.z_cm - vertex[:, 2]) * face.beam > 0
        kick = -face.beam * GEV_PER_TM * dipole.field_tm * charge_e
        bent = before & (kick != 0)
        px, py = momentum[:, 0] + kick, momentum[:, 1]
        pz2 = (momentum**2).sum(axis=1) - px**2 - py**2
        bent_away = bent & (pz2 <= 0)
        pz = face.beam * np.sqrt(np.where(pz2 > 0, pz2, 1.0))
        at_dipole = _straight(vertex, momentum, dipole.z_cm)
        vertex = np.where(bent[:, None], at_dipole, vertex)
        momentum = np.where(bent[:, None], np.stack((px, py, pz), axis=1), momentum)
    point = _straight(vertex, momentum, face.z_cm)
    return Arrival(
        x_cm=point[:, 0] - face.centre_cm[0],
        y_cm=point[:, 1] - face.centre_cm[1],
        momentum_gev=momentum,
        behind=(face.z_cm - vertex[:, 2]) * face.beam <= 0,
        bent_away=bent_away,
    )


def _straight(
    start: NDArray[np.float64], direction: NDArray[np.float64], z_cm: float
) -> NDArray[np.float64]:
    """Follow lines ``(n, 3)`` to the plane at ``z_cm``."""
    return start + direction * ((z_cm - start[:, 2]) / direction[:, 2])[:, None]
