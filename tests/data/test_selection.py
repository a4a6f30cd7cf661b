"""Selections of showers by sum, energy and kind."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.data import Selection
from caloforge.data.splits.selection import told_selection
from caloforge.errors import ConfigError

NUMBERS = st.integers(0, 60)
KINDS = {"n": 2112, "gamma": 22, "pi+": 211}


@st.composite
def selections(draw) -> Selection:
    low, high = sorted(draw(st.tuples(NUMBERS, NUMBERS)))
    energies = sorted(draw(st.tuples(st.floats(0, 1000), st.floats(0, 1000))))
    return Selection(
        min_sum=float(low),
        max_sum=draw(st.sampled_from([None, float(high)])),
        energy_gev=draw(st.sampled_from([None, (energies[0], energies[1])])),
        kinds=tuple(draw(st.lists(st.sampled_from([*KINDS, "321"]), unique=True))),
    )


@pytest.fixture(scope="module")
def sample(toy_grid, toy_sample):
    return toy_sample(toy_grid, 60, repeats=2)


class TestRows:
    @settings(max_examples=60, deadline=None)
    @given(selection=selections())
    def test_row_by_row(self, sample, selection):
        sums = sample.showers.sum(axis=1)
        mask = selection.rows(sample.particles, sums)
        codes = {KINDS.get(kind, 321) for kind in selection.kinds}
        for row in range(len(sample)):
            energy, pdg = (sample.particles[name][row] for name in ("energy_gev", "pdg"))
            expected = sums[row] >= selection.min_sum
            if selection.max_sum is not None:
                expected &= sums[row] <= selection.max_sum
            if selection.energy_gev is not None:
                expected &= selection.energy_gev[0] <= energy <= selection.energy_gev[1]
            if codes:
                expected &= pdg in codes
            assert mask[row] == expected

    @settings(max_examples=60, deadline=None)
    @given(first=selections(), second=selections())
    def test_narrowed_keeps_what_both_keep(self, sample, first, second):
        sums = sample.showers.sum(axis=1)
        both = first.rows(sample.particles, sums) & second.rows(sample.particles, sums)
        try:
            narrowed = first.narrowed(second)
        except ConfigError:
            assert not both.any()
        else:
            np.testing.assert_array_equal(narrowed.rows(sample.particles, sums), both)

    def test_narrowed_knows_names_and_codes(self):
        both = Selection(kinds=("2112", "22")).narrowed(Selection(kinds=("n", "pi+")))
        assert both.kinds == ("2112",)
        with pytest.raises(ConfigError, match="found gamma of showers that are of n alone"):
            Selection(kinds=("gamma",)).narrowed(Selection(kinds=("n",)))

    def test_bounds_belong_to_it(self, sample):
        sums = np.arange(len(sample))
        kept = Selection(min_sum=3, max_sum=5).rows(sample.particles, sums)
        assert np.flatnonzero(kept).tolist() == [3, 4, 5]

    def test_only_empty_showers(self, sample):
        sums = np.arange(len(sample))
        kept = Selection(max_sum=0).rows(sample.particles, sums)
        assert np.flatnonzero(kept).tolist() == [0]

    def test_sums_are_needed_where_they_are_cut(self, sample):
        with pytest.raises(ValueError, match=r"sums have shape \(0,\), expected \(120,\)"):
            Selection(min_sum=1).rows(sample.particles)
        assert Selection(kinds=("n",)).rows(sample.particles).any()


class TestRecord:
    @settings(max_examples=60, deadline=None)
    @given(selection=selections())
    def test_survives_json(self, selection):
        assert Selection.from_dict(json.loads(json.dumps(selection.as_dict()))) == selection

    @pytest.mark.parametrize(
        "table",
        [
            None,
            "sum > 5",
            [],
            {},
            {"min_sum": "many"},
            {"min_sum": -1},
            {"energy_gev": [1]},
            {"max_sum": [3]},
        ],
    )
    def test_provenance_of_others_is_no_selection(self, table):
        assert not Selection.from_dict(table).active

    @pytest.mark.parametrize(
        ("selection", "text"),
        [
            (Selection(), "all showers"),
            (Selection(min_sum=10, kinds=("n", "gamma")), "sum of cells >= 10; kinds n, gamma"),
            (Selection(max_sum=2.5), "sum of cells <= 2.5"),
            (Selection(1, 2, (3, 40)), "sum of cells 1 to 2; energy 3 to 40 GeV"),
        ],
    )
    def test_text(self, selection, text):
        assert selection.text() == text
        assert selection.active == (text != "all showers")

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"min_sum": -1.0}, "min_sum: found -1.0, expected 0 or more"),
            ({"min_sum": float("nan")}, "min_sum: found nan"),
            ({"min_sum": 5, "max_sum": 4}, r"max_sum: found 4, expected 5 \(min_sum\) or more"),
            ({"energy_gev": (5, 4)}, r"energy_gev: found \[5, 4\], expected the least and"),
            ({"energy_gev": (5,)}, r"energy_gev: found \[5\], expected the least and"),
            ({"kinds": ("n", "n")}, "kinds: found 'n' twice"),
        ],
    )
    def test_nonsense_is_refused(self, wrong, message):
        with pytest.raises(ConfigError, match=message):
            Selection(**wrong)


class TestTold:
    CUT, FINER = Selection(min_sum=10), Selection(min_sum=10, kinds=("n",))

    def test_nothing_is_told(self):
        for provenance in ({}, {"selection": {}}, {"source": "a file"}, {"source": {"a": {}}}):
            assert told_selection(provenance) is None

    def test_all_showers_is_something_told(self):
        assert told_selection({"selection": Selection().as_dict()}) == Selection()

    def test_a_converted_file_adds_up(self):
        first = {"selection": self.CUT.as_dict(), "simulation": "toy"}
        second = {"selection": Selection(kinds=("n",)).as_dict(), "source": first}
        assert told_selection(second) == self.FINER
        assert told_selection({"selection": {}, "source": second}) == self.FINER

    @pytest.mark.parametrize(("other", "expected"), [(CUT, CUT), (FINER, None)])
    def test_several_inputs_count_where_they_agree(self, other, expected):
        inputs = {"a": {"selection": self.CUT.as_dict()}, "b": {"selection": other.as_dict()}}
        assert told_selection({"selection": {}, "source": inputs}) == expected
        inputs["c"] = {"simulation": "toy"}
        assert told_selection({"source": inputs}) is None

    def test_training_selection_survives_a_conversion(self):
        made = {"training selection": self.CUT.as_dict()}
        provenance = {"selection": {}, "source": {"fast.h5": made}}
        assert told_selection(provenance, "training selection") == self.CUT
        assert told_selection(provenance) is None
