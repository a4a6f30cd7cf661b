"""Particles that contradict themselves: energy, mass, charge, direction, place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.geometry import GridLayout
from caloforge.inspection.column_tally import BY_KIND
from caloforge.inspection.finding import Check, Finding, percent, some

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caloforge.inspection.evidence import Evidence

# A reading explains a file if it fits nine of ten rows that are off.
_EXPLAINS = 0.9
# sqrt(p^2 + m^2) - E in masses: 1 for kinetic energies, 0 for total ones.
_KINETIC = (0.95, 1.05)
_MOST = 0.01
_AT_FACE_CM = 1.0


def _kinematics(evidence: Evidence) -> Iterator[Finding]:
    columns, n = evidence.columns, evidence.n_showers
    zero = columns.always_zero
    found = columns.kinematics
    if found.judged == 0:
        yield Finding("not judged", "no particle has a momentum")
        return
    residual = float(np.median(found.residuals)) if found.residuals else 0.0
    kinetic = _KINETIC[0] < residual < _KINETIC[1]
    # Masses first: where they are all that is wrong, energies are not to be touched.
    by_mass = found.readings.get(BY_KIND, 0) > _EXPLAINS * found.off.count > 0
    reading = max(found.readings, key=lambda k: found.readings[k], default="")
    explained = found.readings.get(reading, 0) > _EXPLAINS * found.off.count > 0
    if kinetic:
        text = "energies are kinetic: each is below sqrt(p^2 + m^2) by its mass"
        yield Finding("error", text, max(found.off.count, 1), found.off.first or 0, _TOTAL)
    elif by_mass and columns.mass.count:
        text = (
            f"{found.judged:,} energies agree with the momentum and the mass of the kind, "
            "though not with mass_mev"
        )
        yield Finding("ok", text)
    elif found.off.count:
        what = f"; as {reading} they would agree" if explained else ""
        text = (
            f"{found.off.count:,} of {n:,} energies are not sqrt(p^2 + m^2) to 0.1 % (first: "
            f"{found.off.example} GeV){what}"
        )
        cure = f"convert these showers: they have {reading}" if explained else ""
        yield Finding("error", text, found.off.count, found.off.first, cure)
    else:
        yield Finding("ok", f"{found.judged:,} energies agree with momentum and mass to 0.1 %")
    for defect, column, name, share, what in (
        (columns.mass, "mass_mev", "masses", columns.gev, "they are in GeV"),
        (columns.charge, "charge_e", "charges", columns.thirds, "they are in units of e/3"),
    ):
        if not defect.count:
            continue
        text = f"{defect.count:,} {name} are not those of the kind (first: {defect.example})"
        if column in zero:
            cure = f"{column} is 0 throughout: fill it from the kind"
            yield Finding("warning", text, defect.count, defect.first, cure)
            continue
        if share > _EXPLAINS * defect.count:
            text += f"; {what}"
            cure = f"multiply {column} by 1000" if column == "mass_mev" else "divide it by 3"
        else:
            cure = f"correct {column}, or the kind"
        yield Finding("error", text, defect.count, defect.first, cure)


def _face(evidence: Evidence) -> Iterator[Finding]:
    geometry, columns, n = evidence.geometry, evidence.columns, evidence.n_showers
    face = geometry.front_face_z_cm
    forwards, backwards = columns.forwards, columns.backwards
    if face is not None and abs(face) > _AT_FACE_CM:
        wrong = forwards if face < 0 else backwards
        what = (
            "backwards, towards the collision" if wrong.count < n else "away from the detector"
        )
    else:
        wrong = backwards if backwards.count <= forwards.count else forwards
        what = "against the others"
    if wrong.count:
        share = wrong.count / n
        text = (
            f"{some(wrong.count, 'particle', 'flies', 'fly')} {what} (pz, first: "
            f"{wrong.example} GeV/c)"
        )
        cure = (
            "the detector is on the other side of the collision: mirror the axis, or name the "
            "right geometry"
            if share > 0.5
            else "leave them out: they come from the detector, or from behind"
        )
        severe = share > _MOST and face is not None
        yield Finding("error" if severe else "warning", text, wrong.count, wrong.first, cure)
    yield from _depth(evidence)
    yield from _misses(evidence)


def _depth(evidence: Evidence) -> Iterator[Finding]:
    """Positions that are not on the front face."""
    face, zero = evidence.geometry.front_face_z_cm, evidence.columns.always_zero
    if face is None or "z_cm" not in evidence.columns.least:
        return
    away = np.abs(evidence.sample.columns["z_cm"] - face) > _AT_FACE_CM
    unknown = away & (evidence.sample.columns["z_cm"] == 0)
    if unknown.any():
        text = (
            f"z_cm is 0 in {percent(unknown.mean())} of the particles, the face is at "
            f"{face:.6g} cm: taken as not given, so that x and y count as those on the face"
        )
        if "z_cm" in zero:
            yield Finding("ok", f"{text}, here and in training")
        else:
            first = int(evidence.sample.number[unknown][0])
            cure = "give z_cm in all rows: in these it may be the collision point that is meant"
            yield Finding("warning", text, _scaled(evidence, unknown.mean()), first, cure)
    off = away & ~unknown
    if not off.any():
        return
    z = evidence.sample.columns["z_cm"][off][0]
    text = (
        f"{percent(off.mean())} of the positions are not on the front face (first: z = "
        f"{z:.6g} cm, the face is at {face:.6g} cm); here they are "
        "followed there in a straight line"
    )
    first = int(evidence.sample.number[off][0])
    cure = "train on the point on the front face: where a particle starts says less"
    yield Finding("warning", text, _scaled(evidence, off.mean()), first, cure)


def _misses(evidence: Evidence) -> Iterator[Finding]:
    layout, impact = evidence.geometry.layout, evidence.impact_cm
    if not isinstance(layout, GridLayout):
        return
    half = np.array(layout.half_width_cm)
    # Particles that enter at the very edge are rounded to either side of it.
    outside = (np.abs(impact) > half * (1 + 1e-6)).any(axis=1)
    if not outside.any():
        yield Finding("ok", "all particles meet the front face")
        return
    sample = evidence.sample
    first = int(sample.number[outside][0])
    x, y = impact[outside][0]
    text = (
        f"{percent(outside.mean())} of the particles miss the front face (first: x, y = "
        f"{x:.4g}, {y:.4g} cm)"
    )
    middle = np.nanmedian(impact, axis=0)
    spread = np.nanmax(np.abs(impact), axis=0) / half
    cure = "leave them out, or keep them knowingly: their showers are stray"
    if (np.abs(middle) > 0.5 * half).any():
        cure = f"positions are in another frame: subtract ({middle[0]:.4g}, {middle[1]:.4g}) cm"
    elif 5 < spread.max() < 11 and outside.mean() > 0.2:
        cure = "check the unit of the positions (mm for cm?)"
    yield Finding("warning", text, _scaled(evidence, outside.mean()), first, cure)


def _scaled(evidence: Evidence, share: float) -> int:
    return max(1, round(share * evidence.n_showers))


_TOTAL = "add the mass: energy_gev is the total energy"
KINEMATICS = Check(
    name="kinematics",
    title="Energy, momentum, mass, charge",
    finds="energies that are not sqrt(p^2 + m^2): kinetic ones, MeV for GeV; masses and "
    "charges that are not those of the kind",
    matters="conditions of a model mean something else than they say, and at generation others "
    "are given to it",
    cure="correct the rows, or leave them out",
    judge=_kinematics,
)
FACE = Check(
    name="front-face",
    title="Direction and front face",
    finds="particles that fly the wrong way, start off the front face, or miss it",
    matters="their showers are stray, or positions are in another frame",
    cure="leave them out, or give positions on the front face, from its centre",
    judge=_face,
)
