"""Cherenkov light of charged particles in optical fibres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from caloforge.errors import GeometryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

# alpha / (hbar c) in photons per eV of photon energy and mm of track, from CODATA 2018:
# 7.2973525693e-3 / 1.973269804e-4 eV mm. (Frank-Tamm; PDG review 34.7 has 370 / (eV cm).)
FRANK_TAMM = 36.981039
_EV_NM = 1239.841984  # h c
_NODES = 4


@dataclass(frozen=True)
class LightModel:
    """What turns a charged track in a fibre into detected photons.

    Attributes:
        refractive_index: Of the core, taken as constant in the window.
        wavelength_nm: Window in which photons are counted.
        numerical_aperture: Of the fibre: light within ``asin(NA / n)`` of its axis is trapped.
        efficiency: Photons detected per photon trapped.
        attenuation_length_m: After which 1/e of the light is left; ``None``: none is lost.

    Raises:
        GeometryError: If a value is out of its range.
    """

    refractive_index: float
    wavelength_nm: tuple[float, float]
    numerical_aperture: float
    efficiency: float
    attenuation_length_m: float | None = None

    def __post_init__(self) -> None:
        low, high = self.wavelength_nm
        wrong = [
            ("refractive_index", self.refractive_index, "above 1", self.refractive_index > 1),
            ("wavelength_nm", [low, high], "0 < first < second", 0 < low < high),
            (
                "numerical_aperture",
                self.numerical_aperture,
                "above 0 and at most the refractive index",
                0 < self.numerical_aperture <= self.refractive_index,
            ),
            ("efficiency", self.efficiency, "above 0, at most 1", 0 < self.efficiency <= 1),
            (
                "attenuation_length_m",
                self.attenuation_length_m,
                "above 0",
                self.attenuation_length_m is None or self.attenuation_length_m > 0,
            ),
        ]
        for name, found, expected, good in wrong:
            if not good:
                msg = f"[construction.light] {name}: found {found}, expected {expected}"
                raise GeometryError(msg)

    @property
    def threshold_gamma(self) -> float:
        """Lorentz factor above which a charged particle gives light."""
        return 1 / float(np.sqrt(1 - self.refractive_index**-2))

    @property
    def lowest_cosine(self) -> float:
        """Cosine to the read-out below which no light of a track is trapped, however fast."""
        widest = np.arccos(1 / self.refractive_index) + np.arcsin(
            self.numerical_aperture / self.refractive_index
        )
        return float(np.cos(widest))

    @property
    def photons_per_mm(self) -> float:
        """Photons emitted by a unit charge in 1 mm per ``sin^2`` of the Cherenkov angle."""
        low, high = self.wavelength_nm
        return FRANK_TAMM * _EV_NM * (1 / low - 1 / high)

    def trapped_share(
        self, cos_track: ArrayLike, cos_cherenkov: ArrayLike
    ) -> NDArray[np.float64]:
        r"""Share of the Cherenkov cone that the fibre traps towards the read-out.

        A photon at azimuth :math:`\phi` around a track at angle :math:`\alpha` to the fibre has
        :math:`\cos\psi = \cos\alpha\cos\theta_c + \sin\alpha\sin\theta_c\cos\phi`. It is
        trapped if :math:`\sin\psi < NA / n` (as for rays through the axis: skew rays are not
        treated apart).

        Arguments:
            cos_track: Cosine between track and the direction to the read-out, ``(n,)``.
            cos_cherenkov: Cosine of the Cherenkov angle, ``(n,)``.

        Returns:
            Share, 0 to 1, ``(n,)``.
        """
        along, theta = np.asarray(cos_track, float), np.asarray(cos_cherenkov, float)
        needed = np.sqrt(1 - (self.numerical_aperture / self.refractive_index) ** 2)
        across = np.sqrt(np.clip(1 - along**2, 0, None) * np.clip(1 - theta**2, 0, None))
        with np.errstate(divide="ignore", invalid="ignore"):
            cos_phi = (needed - along * theta) / across
        # A track along the fibre has no azimuth: all of its cone is in, or none.
        cos_phi = np.where(across > 1e-12, cos_phi, np.where(along * theta >= needed, -1.0, 1))
        share: NDArray[np.float64] = np.arccos(np.clip(cos_phi, -1, 1)) / np.pi
        return share

    def photons(
        self,
        charge: ArrayLike,
        beta: ArrayLike,
        cos_track: ArrayLike,
        length_mm: ArrayLike,
        to_read_out_mm: ArrayLike,
    ) -> NDArray[np.float64]:
        r"""Mean number of detected photons of each step of a track.

        .. math::
            \mu = \epsilon \, \frac{\alpha}{\hbar c} \, \Delta E \, z^2 L
                  \left(1 - \frac{1}{\beta^2 n^2}\right) f(\alpha, \theta_c) \, e^{-d/\lambda}

        Arguments:
            charge: Charge in e, ``(n,)``.
            beta: Velocity in c, ``(n,)``.
            cos_track: Cosine between track and the direction to the read-out, ``(n,)``.
            length_mm: Length of the step in the fibre, ``(n,)``.
            to_read_out_mm: Length of fibre from the step to the read-out, ``(n,)``.

        Returns:
            Mean detected photons, ``(n,)``; 0 below threshold.
        """
        n_beta = self.refractive_index * np.asarray(beta, float)
        lit = n_beta > 1
        cos_cherenkov = 1 / np.where(lit, n_beta, 1.0)
        mean = (
            self.efficiency
            * self.photons_per_mm
            * np.asarray(charge, float) ** 2
            * np.asarray(length_mm, float)
            * (1 - cos_cherenkov**2)
            * self.trapped_share(cos_track, cos_cherenkov)
        )
        if self.attenuation_length_m is not None:
            mean = mean * np.exp(
                -np.asarray(to_read_out_mm, float) / (1000 * self.attenuation_length_m)
            )
        return np.where(lit, mean, 0.0)


def slowing_down(
    beta: NDArray[np.float64], deposit_mev: NDArray[np.float64], mass_mev: float
) -> Iterator[tuple[float, NDArray[np.float64]]]:
    """Go along steps whose particles lose energy evenly.

    Slow electrons stop in a fraction of a millimetre, and give no light at the end of it.

    Arguments:
        beta: Velocity at the start of each step in c, ``(n,)``.
        deposit_mev: Energy lost along it, ``(n,)``: all but what secondaries carry away.
        mass_mev: Mass of the particles.

    Yields:
        Share of the step and velocity in c, ``(n,)``, at each node of Gauss and Legendre.
    """
    gamma = 1 / np.sqrt(np.maximum(1 - np.asarray(beta, float) ** 2, 1e-14))
    for node, weight in zip(*np.polynomial.legendre.leggauss(_NODES), strict=True):
        lost = (1 + node) / 2 * np.asarray(deposit_mev, float) / mass_mev
        here = np.maximum(gamma - lost, 1.0)
        yield float(weight) / 2, np.sqrt(1 - here**-2)
