"""The parts of an explanation, in order: those that fit the model."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from caloforge.explain import latent_sections as latent
from caloforge.explain import particle_sections as particle

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from caloforge.explain.memory import Training
    from caloforge.explain.section import Section
    from caloforge.explain.subject import Subject

    Part = tuple[str, Callable[[np.random.Generator], Section]]


def parts(subject: Subject, training: Training, seed: int) -> list[Part]:
    """Titles of the parts, and what makes each from a source of randomness."""
    made: list[Part] = []
    if subject.latent is not None:
        made += [
            (latent.MAP, partial(latent.map_section, subject)),
            (latent.PRIOR, partial(latent.prior_section, subject)),
            (latent.RECONSTRUCTION, partial(latent.reconstruction_section, subject, seed)),
            (latent.LINES, lambda _: latent.lines_section(subject)),
        ]
    else:
        made.append((latent.PRIOR, lambda _: latent.without_encoder(subject)))
    return [
        *made,
        (particle.SWEEPS, partial(particle.sweeps_section, subject)),
        (particle.MEMORY, partial(particle.memory_section, subject, training, seed)),
    ]
