"""Samples of different selections are told apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from caloforge.data import Selection
from caloforge.report import Evaluation, evaluate_samples, print_comparison
from caloforge.report.content import Content
from caloforge.report.selections import selection_warnings
from caloforge.report.summary import summaries

CUT = Selection(min_sum=10)


@pytest.fixture(scope="module")
def samples(toy_grid, toy_sample):
    reference = toy_sample(toy_grid, 40, repeats=4)
    generated = toy_sample(toy_grid, 40, repeats=4, seed=0)
    return reference, replace(generated, showers=np.roll(generated.showers, 1, axis=0))


def told(sample, **provenance: Selection):
    keys = {"own": "selection", "trained": "training selection"}
    table = {keys[name]: chosen.as_dict() for name, chosen in provenance.items()}
    return replace(sample, provenance=table)


def warning(reference, generated, cut: float = 0.0) -> str:
    return selection_warnings(reference, {"g": generated}, cut=cut).get("g", "")


class TestSums:
    def test_same_selection_is_silent(self, samples):
        reference, generated = samples
        assert warning(told(reference), told(generated, trained=Selection())) == ""
        assert warning(told(reference, own=CUT), told(generated, trained=CUT)) == ""

    def test_a_generator_of_cut_showers_against_all(self, samples):
        reference, generated = samples
        text = warning(told(reference), told(generated, trained=CUT))
        assert text.startswith(
            "trained on sum of cells >= 10, the reference is of all showers: "
        )
        assert text.endswith("take a reference of the same selection, or --cut 10 for the sums")
        assert "\n" not in text

    def test_a_generator_of_all_showers_against_cut_ones(self, samples):
        reference, generated = samples
        text = warning(told(reference, own=CUT), told(generated, trained=Selection()))
        assert text.startswith(
            "made under all showers, the reference is of sum of cells >= 10: "
        )

    @pytest.mark.parametrize(("cut", "silent"), [(9.0, False), (10.0, True), (50.0, True)])
    def test_a_cut_of_both_makes_them_alike(self, samples, cut, silent):
        reference, generated = samples
        assert (warning(told(reference), told(generated, trained=CUT), cut) == "") == silent

    def test_an_upper_bound_cannot_be_cut(self, samples):
        reference, generated = samples
        text = warning(told(reference), told(generated, trained=Selection(max_sum=99)))
        assert "--cut" not in text
        assert text.endswith("take a reference of the same selection")

    def test_showers_of_others_are_looked_at(self, samples):
        reference, generated = samples
        sums = generated.showers.sum(axis=1)
        foreign = replace(generated, provenance={"program": "another"})
        assert sums.min() < 100 < sums.max()
        bright = foreign.select(sums >= 100)
        cut = told(reference, own=Selection(min_sum=100))
        assert warning(cut, bright) == ""
        assert warning(cut, foreign) != ""


class TestParticles:
    def test_particles_that_were_not_trained_on_are_counted(self, samples):
        reference, generated = samples
        n = int((reference.particles["pdg"] != 2112).sum())
        text = warning(told(reference), told(generated, trained=Selection(kinds=("n",))))
        assert f"trained on kinds n, and {n} of 160 reference showers are of others" in text
        assert "(gamma, pi+)" in text

    def test_a_narrower_reference_is_fine(self, samples):
        reference, generated = samples
        neutrons = reference.select(reference.particles["pdg"] == 2112)
        assert warning(neutrons, told(generated, trained=Selection(kinds=("n",)))) == ""


@pytest.fixture(scope="module")
def evaluation(samples) -> Evaluation:
    reference, generated = samples
    return evaluate_samples(
        told(reference), {"g": told(generated, trained=CUT), "h": generated}
    )


class TestResults:
    def test_provenance_says_both(self, evaluation):
        table = evaluation.as_dict()["provenance"]
        assert [f["selection"] for f in table["files"]] == ["all showers"] * 3
        assert [f["trained_under"] for f in table["files"]] == [
            None,
            "sum of cells >= 10",
            None,
        ]
        assert list(table["warnings"]) == ["g"]

    def test_page_and_terminal_warn(self, evaluation, capsys):
        first, second = summaries(Content(evaluation))
        assert "sum of cells >= 10" in first.warning
        assert second.warning == ""
        print_comparison(evaluation)
        assert (
            "Warning: g: trained on sum of cells >= 10, the reference"
            in capsys.readouterr().out
        )
