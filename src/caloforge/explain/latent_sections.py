"""Parts of an explanation that look at codes: map, prior, reconstruction, lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.explain import latent_pictures, shower_pictures
from caloforge.explain.codes import Codes, match
from caloforge.explain.embedding import embed
from caloforge.explain.interpolation import lines
from caloforge.explain.reconstruction import reconstruct
from caloforge.explain.section import Picture, Section, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caloforge.explain.subject import Subject
    from caloforge.metrics import Measured

MAP, PRIOR, RECONSTRUCTION, LINES = (
    "Map of the codes",
    "Prior against encoded codes",
    "Reconstruction",
    "From one shower to another",
)
# P-value below which the prior is said to differ.
LEVEL = 0.01
_FLOOR = "floor: full simulation against itself"
_COUNTED = (
    "A shower of full simulation, what its most probable code decodes to (the expected cells; "
    "below 0.1 they are white), and counts drawn from that. Numbers: total response."
)
_POISSON = "Counts fluctuate around what is decoded: the dotted line is what that alone gives. "
# Most codes of either colour in the map.
MAPPED = 1200


def without_encoder(subject: Subject) -> Section:
    """Say that without an encoder, or its weights, there are no codes to look at."""
    name = subject.bundle.run.model_name
    why = f"The model '{name}' has no encoder"
    if subject.bundle.storage.generates_only:
        why = f"This bundle of the model '{name}' has only the weights that generation uses"
    sentence = (
        f"{why}, so there are no codes to look at: map, prior, reconstruction and lines "
        "between showers are left out."
    )
    return Section("latent", "Codes", (sentence,))


def map_section(subject: Subject, rng: np.random.Generator) -> Section:
    """t-SNE of encoded and generated codes, by origin, kind and energy."""
    codes = Codes.of(subject, rng)
    encoded, generated = codes.scaled
    n = min(MAPPED, len(encoded))
    rows = [np.sort(rng.permutation(len(encoded))[:n]) for _ in range(2)]
    points = embed(np.concatenate((encoded[rows[0]], generated[rows[1]])), rng)
    particles = subject.sample.particles
    figure = latent_pictures.embedding(
        points[:n],
        points[n:],
        kinds=particles.kinds()[np.concatenate(rows)],
        energy_gev=(None if subject.images else particles["energy_gev"][np.concatenate(rows)]),
    )
    times, named = (
        ("twice", "Labels") if subject.images else ("three times", "Kinds and energies")
    )
    same = "labels" if subject.images else "particles"
    picture = Picture(
        "codes",
        MAP,
        f"t-SNE of {n:,} encoded and {n:,} generated codes of the same {same}, {times} "
        "the same map. Where one colour is alone on the left, showers are encoded that are "
        f"never generated (red) or generated from codes that no shower has (blue). {named} "
        "that form their own regions are written into the code; ones that are mixed "
        "are left to the condition. Distances between far regions of such a map mean nothing.",
        figure,
    )
    return Section("map", MAP, (), {"encoded": n, "generated": n}, (picture,))


def prior_section(subject: Subject, rng: np.random.Generator) -> Section:
    """Encoded against generated codes, with the floor beside it."""
    codes = Codes.of(subject, rng)
    found = match(codes, rng)
    n_codes = codes.encoded.shape[1]
    floor = "floor" if found.matched else "unmatched floor"
    sentences = (
        f"A classifier that sees code and particle tells encoded from generated codes with an "
        f"AUC of {found.auc.text} ({floor} {found.auc_floor.text}; 0.5 is blind; "
        f"p = {found.p:.2g}): "
        + (
            "the prior differs from what the encoder makes."
            if found.p < LEVEL
            else "no difference is seen between the prior and what the encoder makes."
        ),
        f"Codes of showers spread over about {codes.dimensions:.1f} of {n_codes} dimensions.",
    )
    figure = latent_pictures.prior(*codes.scaled)
    picture = Picture(
        "prior",
        PRIOR,
        "Left: both sets along the two directions in which the encoded codes spread most; "
        "rings hold 50 % and 90 % of each. Right: every latent dimension by itself, in units "
        "of the standard deviation of the encoded codes. Generated codes should lie where "
        "encoded ones do.",
        figure,
    )
    table = Table(
        ("", "encoded against generated", floor),
        (
            ("Sliced W1 [standard deviations]", found.distance.text, found.distance_floor.text),
            ("Classifier AUC (codes and conditions)", found.auc.text, found.auc_floor.text),
            ("P-value of the classifier", f"{found.p:.2g}", ""),
            ("Dimensions of the encoded codes", f"{codes.dimensions:.1f} of {n_codes}", ""),
        ),
        f"{found.n:,} codes on either side; errors: bootstrap over incident particles. "
        "Dimensions: participation ratio of the codes without noise; 1 if they lie on a line.",
    )
    numbers = {**found.as_dict(), "dimensions": codes.dimensions}
    return Section("prior", PRIOR, sentences, numbers, (picture,), (table,))


def reconstruction_section(subject: Subject, seed: int, rng: np.random.Generator) -> Section:
    """Encoded and decoded showers, with their errors."""
    found = reconstruct(subject, rng, seed)
    columns = {"own code": found.own, "generated code": found.drawn}
    if found.floor is not None:
        columns["full simulation"] = found.floor
    results = {name: errors.measured(rng) for name, errors in columns.items()}
    own, drawn = (results[name] for name in ("own code", "generated code"))
    error = "total response, median relative error"
    what, of = ("image", "label") if subject.images else ("shower", "particle")
    bins = "by label" if subject.images else "in bins of energy"
    sentences = (
        (
            f"Decoded from their own codes, {what}s have the right total response to "
            f"{own[error].value:.0%} (median); from codes generated for the same {of}, to "
            f"{drawn[error].value:.0%}. The difference is what the code holds of a single "
            f"{what}."
        ),
    )
    pictures = (
        Picture(
            "reconstruction",
            RECONSTRUCTION,
            _COUNTED
            if subject.geometry.counts and not subject.images
            else "A shower of full simulation and what its most probable code decodes to. "
            "Numbers: total response.",
            shower_pictures.reconstruction(subject, found),
        ),
        Picture(
            "reconstruction-errors",
            "What the code holds",
            f"Median errors {bins}, decoded from the {what}'s own code and from a code "
            f"generated for its {of}. {'' if subject.images else _POISSON}Two equal "
            f"{'points' if subject.images else 'lines'}: the code holds nothing.",
            shower_pictures.reconstruction_errors(subject, found),
        ),
    )
    note = (
        f"Over {len(found.own.cells):,} showers, {len(found.lit):,} of them with a response, "
        "which alone have a relative error and a centroid; errors: bootstrap over incident "
        "particles. "
    )
    if found.floor is None:
        note += (
            "Images do not repeat" if subject.images else "The file has one shower a particle"
        )
        note += ", so there is no floor."
    else:
        note += (
            "Full simulation: another shower of the same particle in place of the decoded one, "
            f"{len(found.floor.cells):,} disjoint pairs. Both of a pair fluctuate, decoded "
            "cells are expected values, so they may be nearer."
        )
    table = Table(
        ("", *(_FLOOR if name == "full simulation" else name for name in columns)),
        tuple(
            (
                f"{name} [{one.unit}]" if one.unit else name,
                *(_signed(part, name) for part in results.values()),
            )
            for name, one in own.items()
        ),
        note,
    )
    numbers = {
        column: {name: one.as_dict() for name, one in part.items()}
        for column, part in results.items()
    }
    return Section("reconstruction", RECONSTRUCTION, sentences, numbers, pictures, (table,))


def _signed(results: Mapping[str, Measured], name: str) -> str:
    """Text of a result, of a bias with its sign; a dash if there is none."""
    one = results.get(name)
    if one is None:
        return "–"
    return f"+{one.text}" if "bias" in name and one.value > 0 else one.text


def lines_section(subject: Subject) -> Section:
    """Showers decoded from codes on a straight line."""
    found = lines(subject)
    if not found:
        text = "There are no two showers of one kind with a response: no line is drawn."
        return Section("lines", LINES, (text,))
    picture = Picture(
        "lines",
        LINES,
        "At the ends showers of full simulation; between them the expected cells of codes on "
        "the straight line from one code to the other (and, where the particles differ, of "
        "particles on the way between the two). The change should be gradual: a jump, or a "
        "shower at the middle that looks like neither end, is a hole in the code. Numbers: "
        "total response.",
        shower_pictures.lines(subject, found),
    )
    sentences = tuple(
        f"Between {line.title}: the largest step of the decoded shower is {line.evenness:.2g} "
        "times the mean step."
        for line in found
    )
    numbers = {"lines": [line.as_dict() for line in found]}
    return Section("lines", LINES, sentences, numbers, (picture,))
