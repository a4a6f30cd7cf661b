"""Bundles that have only the weights of generation have no codes to look at."""

from __future__ import annotations

from tests.bundles import toy_bundle

from caloforge.explain import sections
from caloforge.explain.memory import Training
from caloforge.explain.subject import Subject
from caloforge.generation import FastSimulation
from caloforge.training.slim import slim


def test_bundle_without_its_encoder_says_so(toy_grid, toy_sample) -> None:
    sample = toy_sample(toy_grid)
    whole = toy_bundle(sample)
    names = []
    for bundle in (whole, slim(whole, generation_only=True)):
        subject = Subject(FastSimulation(bundle), sample)
        names.append([title for title, _ in sections.parts(subject, Training(None, ""), 0)])
    assert subject.latent is None
    assert len(names[0]) - len(names[1]) == 3
    make = sections.parts(subject, Training(None, ""), 0)[0][1]
    (sentence,) = make(None).sentences
    assert "bundle of the model 'e2e-sae' has only the weights that generation uses" in sentence
    # Generation and sweeps, which need no encoder, go on.
    assert subject.generate(subject.particle[:5], seed=0).any()
