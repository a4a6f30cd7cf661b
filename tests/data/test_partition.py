"""Sides of a shower file: stable, complete, disjoint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.data import (
    Particles,
    Selection,
    ShowerFile,
    ShowerSample,
    ShowerWriter,
    SplitPlan,
    load_sample,
    partition,
    split_record,
    split_rows,
    write_particles,
)
from caloforge.errors import ConfigError, DataFormatError

BY_SHOWER = SplitPlan(fraction=0.4, split_by="shower")


@pytest.fixture(scope="module")
def sample(toy_grid, toy_sample) -> ShowerSample:
    """80 particles with 4 showers each; a twelfth of the showers is empty."""
    made = toy_sample(toy_grid, 80, repeats=4)
    made.showers[::12] = 0
    return made


@pytest.fixture(scope="module")
def few(toy_grid, toy_sample) -> ShowerSample:
    """3 particles with 200 showers each."""
    return toy_sample(toy_grid, 3, repeats=200)


def write(path, sample: ShowerSample, **provenance: object):
    with ShowerWriter(path, sample.geometry, provenance=provenance) as writer:
        writer.append(sample.particles, sample.showers)
    return path


def contents(sample: ShowerSample, rows) -> list[bytes]:
    """What showers are, not where they stand; sorted."""
    parts = (sample.particles.identity()[rows], sample.showers[rows])
    return sorted(a + b.tobytes() for a, b in zip(*parts, strict=True))


class TestParticle:
    @pytest.mark.parametrize("fraction", [0.05, 0.15, 0.5])
    def test_is_the_split_of_older_versions(self, fraction):
        sample = load_sample("zn-test")
        old = split_rows(sample.particles, fraction=fraction)
        new = partition(sample, SplitPlan(fraction=fraction))
        for a, b in zip(old, new, strict=True):
            np.testing.assert_array_equal(a, b)

    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 999), n=st.integers(60, 320), folds=st.sampled_from([0, 4]))
    def test_no_particle_changes_side(self, sample, seed, n, folds):
        plan = SplitPlan(fraction=0.4, folds=folds, fold=2 if folds else 0)
        whole = partition(sample, plan)
        rows = np.random.default_rng(seed).permutation(len(sample))[:n]
        part = sample.select(rows)
        split = partition(part, plan)
        for now, before in zip(split, whole, strict=True):
            energies = set(part.particles["energy_gev"][now])
            assert energies <= set(sample.particles["energy_gev"][before])

    def test_shared_incident_numbers_are_refused(self, sample):
        shared = Particles(sample.particles.columns, sample.particles.incident // 5)
        with pytest.raises(DataFormatError, match="incident 0 stands for several particles"):
            partition(replace(sample, particles=shared), SplitPlan())


class TestShower:
    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 999))
    def test_no_shower_changes_side_when_the_file_is_re_ordered(self, sample, seed):
        whole = partition(sample, BY_SHOWER)
        rows = np.random.default_rng(seed).permutation(len(sample))
        mixed = sample.select(rows)
        split = partition(mixed, BY_SHOWER)
        for now, before in zip(split, whole, strict=True):
            assert contents(mixed, now) == contents(sample, before)

    @settings(max_examples=25, deadline=None)
    @given(n=st.integers(60, 320))
    def test_no_shower_changes_side_when_the_file_grows(self, sample, n):
        whole = partition(sample, BY_SHOWER)
        split = partition(sample.select(slice(0, n)), BY_SHOWER)
        for now, before in zip(split, whole, strict=True):
            assert now.tolist() == [row for row in before if row < n]

    def test_type_and_order_of_columns_do_not_matter(self, sample):
        columns = dict(reversed(sample.particles.columns.items()))
        other = replace(
            sample,
            showers=sample.showers.astype(np.uint32),
            particles=Particles(columns, sample.particles.incident + 7),
        )
        for a, b in zip(*(partition(s, BY_SHOWER) for s in (sample, other)), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_showers_of_one_particle_are_on_both_sides(self, few):
        split = partition(few, BY_SHOWER)
        for incident in range(3):
            n = (few.particles.incident[split.validation] == incident).sum()
            assert abs(n - 80) < 4 * np.sqrt(200 * 0.4 * 0.6)

    def test_copies_of_a_shower_stay_together_and_empty_ones_are_shared_out(self, few):
        copies = few.select(np.full(50, 7))
        empty = replace(copies, showers=np.zeros_like(copies.showers))
        joined = replace(
            few,
            particles=Particles.concatenate([s.particles for s in (few, copies, empty)]),
            showers=np.concatenate([s.showers for s in (few, copies, empty)]),
            cpu_seconds=None,
        )
        chosen = np.zeros(700, dtype=bool)
        chosen[partition(joined, BY_SHOWER).validation] = True
        assert len(set(chosen[600:650]) | {chosen[7]}) == 1
        assert abs(chosen[650:].sum() - 20) < 4 * np.sqrt(50 * 0.4 * 0.6)


class TestFolds:
    @settings(max_examples=20, deadline=None)
    @given(
        folds=st.integers(2, 9),
        by=st.sampled_from(["particle", "shower"]),
        key=st.sampled_from(["caloforge", "other"]),
    )
    def test_folds_share_out_everything_once(self, sample, folds, by, key):
        plans = [SplitPlan(folds=folds, fold=k, split_by=by, key=key) for k in range(folds)]
        sides = [partition(sample, plan) for plan in plans]
        together = np.concatenate([side.validation for side in sides])
        np.testing.assert_array_equal(np.sort(together), np.arange(len(sample)))
        for side in sides:
            both = np.sort(np.concatenate(side))
            np.testing.assert_array_equal(both, np.arange(len(sample)))
            if by == "particle":
                validation = set(sample.particles.incident[side.validation])
                assert not validation & set(sample.particles.incident[side.train])

    @pytest.mark.parametrize("folds", [2, 3, 5, 7, 10])
    def test_first_fold_is_the_split_of_its_fraction(self, sample, folds):
        fold = partition(sample, SplitPlan(folds=folds))
        plain = partition(sample, SplitPlan(fraction=1 / folds))
        np.testing.assert_array_equal(fold.validation, plain.validation)


class TestSelected:
    @settings(max_examples=20, deadline=None)
    @given(cut=st.integers(0, 100), by=st.sampled_from(["particle", "shower"]))
    def test_a_cut_moves_nothing(self, sample, cut, by):
        plan = SplitPlan(fraction=0.4, split_by=by)
        selection = Selection(min_sum=float(cut), kinds=("n", "pi+"))
        kept = selection.rows(sample.particles, sample.showers.sum(axis=1))
        pairs = zip(partition(sample, plan), partition(sample, plan, selection), strict=True)
        for whole, cut_side in pairs:
            assert cut_side.tolist() == [row for row in whole if kept[row]]

    def test_a_file_is_split_as_the_sample_in_it(self, sample, tmp_path):
        path = write(tmp_path / "a.h5", sample)
        selection = Selection(min_sum=20, energy_gev=(20, 800))
        for plan in (SplitPlan(), BY_SHOWER, SplitPlan(folds=3, fold=1)):
            with ShowerFile(path) as file:
                found = partition(file, plan, selection)
            for a, b in zip(found, partition(sample, plan, selection), strict=True):
                np.testing.assert_array_equal(a, b)

    @pytest.mark.parametrize(
        ("selection", "message"),
        [
            (Selection(kinds=("neutron",)), "no particle of kind 'neutron' .* gamma, n, pi"),
            (Selection(min_sum=1e9), r"none of 320 showers .* >= 1e\+09.* sums of cells 0 to"),
            (Selection(energy_gev=(0, 1)), r"none of 320 .* the file has energies 1\d"),
        ],
    )
    def test_a_selection_of_nothing_is_refused(self, sample, selection, message):
        with pytest.raises(DataFormatError, match=message):
            partition(sample, SplitPlan(), selection)

    def test_a_side_without_showers_is_refused(self, few):
        with pytest.raises(DataFormatError, match=r"at least 2 each.*data.split_by = 'shower'"):
            partition(few, SplitPlan(fraction=1e-6))


class TestLists:
    def test_incident_numbers(self, sample, tmp_path):
        path = tmp_path / "list.txt"
        path.write_text("incident\n# two of them\n5\n 17  # the second\n\n")
        split = partition(sample, SplitPlan(validation_list=str(path)))
        assert set(sample.particles.incident[split.validation]) == {5, 17}
        assert len(split.validation) == 8
        assert len(split.train) == 312

    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_table_of_particles_need_not_have_every_column(self, sample, tmp_path, suffix):
        path = tmp_path / f"list{suffix}"
        listed = sample.particles.select([0, 4, 40])
        write_particles(path, replace(listed, incident=listed.incident + 1000), force=False)
        columns = {**sample.particles.columns, "eta": np.linspace(1, 2, 80).repeat(4)}
        extended = replace(sample, particles=Particles(columns, sample.particles.incident))
        split = partition(extended, SplitPlan(validation_list=str(path)))
        assert split.validation.tolist() == [*range(8), *range(40, 44)]

    def test_shower_file_by_particle_and_by_shower(self, few, tmp_path):
        part = few.select(slice(150, 250))
        path = str(write(tmp_path / "part.h5", part))
        by_particle = partition(few, SplitPlan(validation_list=path))
        assert by_particle.validation.tolist() == list(range(400))
        by_shower = partition(few, SplitPlan(validation_list=path, split_by="shower"))
        assert by_shower.validation.tolist() == list(range(150, 250))

    def test_a_particle_of_two_numbers_is_on_one_side(self, sample, tmp_path):
        # As after joining two files that hold the same particle.
        incident = sample.particles.incident.copy()
        incident[2:4] = 5000
        numbered = Particles(sample.particles.columns, incident)
        (tmp_path / "list.txt").write_text("5000\n")
        plan = SplitPlan(validation_list=str(tmp_path / "list.txt"))
        split = partition(replace(sample, particles=numbered), plan)
        assert split.validation.tolist() == [0, 1, 2, 3]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("777\n888\n", "none of its 2 incident numbers in toy.* run from 0 to 79"),
            ("# nothing\n", "found no incident number"),
            ("5\nsix\n", "found 'six' in line 2"),
            ("5\n99999999999999999999\n", "found '99999999999999999999' in line 2"),
            ("a,b\n1,2\n", "found no column pdg"),
        ],
    )
    def test_bad_lists_are_refused(self, sample, tmp_path, text, message):
        path = tmp_path / "list.txt"
        path.write_text(text)
        with pytest.raises(DataFormatError, match=message):
            partition(sample, SplitPlan(validation_list=str(path)))

    def test_lists_that_do_not_fit_are_refused(self, sample, tmp_path):
        others = tmp_path / "others.csv"
        write_particles(others, load_sample("zn-test").particles, force=False)
        with pytest.raises(
            DataFormatError, match=r"none of its 440 particles in toy.*last digit"
        ):
            partition(sample, SplitPlan(validation_list=str(others)))
        with pytest.raises(DataFormatError, match="found no showers, expected a shower file"):
            partition(sample, SplitPlan(validation_list=str(others), split_by="shower"))
        with pytest.raises(DataFormatError, match="found a folder"):
            partition(sample, SplitPlan(validation_list=str(tmp_path)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fraction": 1.0}, "validation_fraction: found 1.0"),
        ({"key": "k" * 65}, "split_key: found 65 bytes, expected at most 64"),
        ({"split_by": "row"}, "split_by: found 'row', expected one of particle, shower"),
        ({"folds": 1}, "folds: found 1, expected 2 or more, or 0"),
        ({"folds": 3, "fold": 3}, "fold: found 3, expected 0 to 2"),
        ({"fold": 1}, "fold: found 1, expected 0 without data.folds"),
        ({"folds": 3, "validation_list": "a"}, "validation_list: found it with data.folds = 3"),
    ],
)
def test_plans_that_contradict_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        SplitPlan(**wrong)


class TestRecord:
    def test_says_what_was_done(self, sample, tmp_path):
        path = write(tmp_path / "a.h5", sample, selection=Selection(min_sum=0.5).as_dict())
        plan, selection = SplitPlan(folds=3), Selection(min_sum=0.25, kinds=("n", "gamma"))
        with ShowerFile(path) as file:
            split = partition(file, plan, selection)
            record = split_record(file, plan, selection, split)
        # The cut of the file is the sharper one.
        assert record.selection == Selection(min_sum=0.5, kinds=("n", "gamma"))
        n = sum(map(len, split))
        assert record.n_left_out == 320 - n
        rows = record.balance
        assert sum(row.train_showers for row in rows) == len(split.train)
        assert sum(row.validation_showers for row in rows) == len(split.validation)
        incident = sample.particles.incident
        assert sum(row.train for row in rows) == len(set(incident[split.train]))
        table = record.as_dict()
        assert table["split"]["text"] == "by incident particle, fold 0 of 3"
        assert Selection.from_dict(table["selection"]) == record.selection
        first, second, head, *_ = record.lines()
        assert first == "split by incident particle, fold 0 of 3"
        left_out = f"({320 - n} of 320 showers left out)"
        assert second == f"selection: sum of cells >= 0.5; kinds n, gamma {left_out}"
        assert head.split()[:2] == ["particles", "all"]

    def test_hint_where_particles_are_few_by_design(self, few):
        plan = SplitPlan(fraction=0.5)
        record = split_record(few, plan, Selection(), partition(few, plan))
        (hint,) = record.hints
        assert "only 3 incident particles, with 200 showers each" in hint
        assert "data.split_by = 'shower'" in hint
        by_shower = split_record(few, BY_SHOWER, Selection(), partition(few, BY_SHOWER))
        assert by_shower.hints == ()
        assert by_shower.lines()[1].split()[0] == "showers"

    def test_hint_where_a_list_is_found_in_part(self, sample, tmp_path):
        path = tmp_path / "list.txt"
        path.write_text("3\n4\n900\n")
        plan = SplitPlan(validation_list=str(path))
        record = split_record(sample, plan, Selection(), partition(sample, plan))
        assert "lists 3 incident numbers, and 2 of them" in record.hints[-1]
        assert len(record.list_sha256) == 64

    def test_hint_where_a_kind_is_never_trained_on(self, sample, tmp_path):
        pions = sample.particles.select(sample.particles["pdg"] == 211)
        write_particles(tmp_path / "pions.csv", pions, force=False)
        plan = SplitPlan(validation_list=str(tmp_path / "pions.csv"))
        record = split_record(sample, plan, Selection(), partition(sample, plan))
        assert record.hints == (
            "kinds pi+ are in the validation side only; add showers of them",
        )
