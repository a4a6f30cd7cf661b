"""Parts of an explanation that look at showers: response to the particle, memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.explain import particle_pictures, shower_pictures
from caloforge.explain.memory import held_out_rows, recall
from caloforge.explain.section import Picture, Section, Table
from caloforge.explain.sweeps import energy_sweeps, impact_sweeps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.explain.memory import Training
    from caloforge.explain.subject import Subject
    from caloforge.explain.sweeps import Sweep
    from caloforge.metrics import Measured

SWEEPS, MEMORY = "From one particle to another", "Nearest training showers"
_COLUMNS = {"energy_gev": "energy", "x_cm": "impact point x", "y_cm": "impact point y"}
_OBSERVABLES = {
    "total": "total response",
    "centroid_x": "centroid x",
    "centroid_y": "centroid y",
}


def sweeps_section(subject: Subject, rng: np.random.Generator) -> Section:
    """Energy and impact point of particles swept, beside full simulation."""
    if subject.bundle.conditions.dim == 0:
        text = (
            "Not checked: the model has no condition (data.conditions = []), so that its "
            "showers do not depend on the particle."
        )
        return Section("sweeps", SWEEPS, (text,))
    energy, impact = energy_sweeps(subject, rng), impact_sweeps(subject, rng)
    pictures = []
    label = subject.label("total")
    if energy:
        pictures.append(
            Picture(
                "energy",
                f"{label.split(' [', maxsplit=1)[0]} against energy",
                "Particles of a kind that hit the inner half of the detector, all set to one "
                "energy after the other; impact point, direction and noise of each stay. "
                "Thick: their mean with its error; thin: single particles; black: full "
                "simulation. Below, the ratio of the two. The mean must rise.",
                particle_pictures.energy(energy, label),
            )
        )
    if impact:
        pictures.append(
            Picture(
                "impact",
                "Centroid against impact point",
                "The impact points of particles moved across the face, energy, direction and "
                "noise of each kept. The centroid of the response must follow, as far as "
                "that of full simulation (black) does: light that leaves the detector, and "
                "light far from the impact point, hold it back. Below, centroid minus impact "
                "point.",
                particle_pictures.impact(impact),
            )
        )
    sweeps = [*energy, *impact]
    table = Table(
        ("swept", "must follow", "kind", "Spearman", "steps against the trend",
         "model / full simulation"),
        tuple(
            (_COLUMNS[s.column], _OBSERVABLES[s.observable], s.kind,
             f"{s.spearman:.3f}", f"{s.wrong_steps:.0%}", _against(s))
            for s in sweeps
        ),
        "Spearman: rank correlation of the mean response with the swept value; 1 is monotone. "
        "Steps against the trend: share that go down by more than twice their error. Last "
        "column: mean ratio at the black points; for a centroid, slope of model and of full "
        "simulation. Errors: bootstrap over incident particles.",
    )  # fmt: skip
    numbers = {"sweeps": [sweep.as_dict() for sweep in sweeps]}
    tables = (table,) if sweeps else ()
    return Section(
        "sweeps",
        SWEEPS,
        _moves(sweeps, images=subject.images),
        numbers,
        tuple(pictures),
        tables,
    )


def memory_section(
    subject: Subject, training: Training, seed: int, rng: np.random.Generator
) -> Section:
    """Nearest training showers, of generated and of held-out showers."""
    if training.sample is None:
        return Section("memory", MEMORY, (f"Not checked: {training.note}.",))
    rows = held_out_rows(subject, training.sample)
    if len(np.unique(subject.particle[rows])) < 2:
        text = (
            f"Not checked: all particles of {subject.sample.source} were trained on. Give full "
            "simulation that was held out."
        )
        return Section("memory", MEMORY, (text,))
    found = recall(subject, training.sample, rows, seed=seed, rng=rng)
    memory = found.memory
    pictures = (
        Picture(
            "memory",
            MEMORY,
            "Left: distance of each shower to its nearest training shower. Right: that "
            "distance over the one to the second nearest; a copy is near to one training "
            "shower and to no other, so copies pile up at 0. Generated showers (blue) should "
            "look like full simulation that was not trained on (black).",
            shower_pictures.memory(found),
        ),
        Picture(
            "closest",
            "Closest pairs",
            "The generated showers that are nearest to a training shower for their response, "
            "the brighter half only, and below each that training shower. Showers are compared "
            "after moving them to a common centre and shown where they are. d: distance; "
            "in brackets the usual distance of held-out full simulation of that response.",
            shower_pictures.closest(subject, found),
        ),
    )
    table = Table(
        ("", "generated", "expected"),
        (
            ("Mean distance over that of held-out showers", f"{memory.ratio:.3f}", "1"),
            ("Share of copied showers", f"{memory.copied:.2%}", "1 %"),
            ("p-value, nearer to training showers", f"{memory.p_near:.3g}", "above 0.005"),
            ("p-value, copies", f"{memory.p_copied:.3g}", "above 0.005"),
        ),
        f"Training showers: {training.note}. {len(rows):,} generated and as many held-out "
        "showers of the same particles; labels permuted within the particle.",
    )
    verdict = memory.verdict[0].upper() + memory.verdict[1:] + "."
    numbers = {
        "training": training.note,
        "showers": len(rows),
        **memory._asdict(),
        "closest pairs": found.distances.tolist(),
    }
    return Section("memory", MEMORY, (verdict,), numbers, pictures, (table,))


def _against(sweep: Sweep) -> str:
    if sweep.observable == "total":
        return _text(sweep.ratio)
    slopes = (sweep.slope, sweep.reference_slope)
    return ", ".join(_text(slope) for slope in slopes if slope)


def _text(result: Measured | None) -> str:
    return result.text if result else "–"


def _moves(sweeps: Sequence[Sweep], *, images: bool) -> tuple[str, ...]:
    if not sweeps and images:
        return ("Images have no energy and no impact point: no sweep.",)
    if not sweeps:
        return ("The particles of the file do not differ in energy or impact point: no sweep.",)
    names = [f"{_COLUMNS[s.column]} ({s.kind})" for s in sweeps]
    wrong = [n for n, s in zip(names, sweeps, strict=True) if s.wrong_steps or s.spearman < 0.9]
    if wrong:
        text = (
            f"The mean response does not follow {', '.join(wrong)} everywhere: see the table."
        )
        return (text,)
    swept = ", ".join(dict.fromkeys(_COLUMNS[s.column] for s in sweeps))
    text = f"The mean response moves with {swept} as physics says: no step goes back"
    return (f"{text} by more than its error.",)
