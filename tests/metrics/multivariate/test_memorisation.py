"""Copies are caught, however disguised; full simulation passes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from caloforge.data import Particles, ShowerSample, load_sample
from caloforge.errors import DataFormatError
from caloforge.metrics import make_trial
from caloforge.metrics.multivariate import memorisation as memory
from caloforge.metrics.multivariate import nearest as search
from caloforge.metrics.multivariate.held_out import held_out_particles
from caloforge.metrics.multivariate.memorisation import check_memory
from caloforge.metrics.multivariate.nearest import Nearest, centred, nearest
from caloforge.metrics.settings import Settings
from caloforge.metrics.statistics.exchange import exchange_tests

MEMORY = {"nearest_training", "copied_showers"}


def part(found, rows):
    return Nearest(*(column[rows] for column in found))


@pytest.fixture(scope="module")
def zn():
    """Training showers, held-out ones, and the nearest of the latter."""
    train = load_sample("zn-train").select(slice(0, 2500))
    test = load_sample("zn-test").select(slice(0, 1000))
    trained = centred(train.showers, train.geometry)
    held_out = nearest(centred(test.showers, test.geometry), trained)
    return train, trained, test, held_out


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 30), m=st.integers(1, 40))
def test_finds_what_scipy_finds(seed, n, m):
    rng = np.random.default_rng(seed)
    showers, training = (rng.poisson(3, (k, 7)) for k in (n, m))
    all_distances = np.sort(cdist(np.sqrt(showers), np.sqrt(training)), axis=1)
    found = nearest(showers.astype(np.uint16), training.astype(np.uint16))
    np.testing.assert_allclose(found.distance, all_distances[:, 0], atol=1e-12)
    if m > 1:
        np.testing.assert_allclose(found.second, all_distances[:, 1], atol=1e-12)
    own = np.sqrt(training[found.row])
    np.testing.assert_allclose(
        np.linalg.norm(np.sqrt(showers) - own, axis=1), found.distance, atol=1e-12
    )
    assert ((found.contrast >= 0) & (found.contrast <= 1)).all()


def test_blocks_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(0)
    showers, training = rng.poisson(2, (50, 9)), rng.poisson(2, (70, 9))
    whole = nearest(showers, training)
    monkeypatch.setattr(search, "_ROWS", 7)
    monkeypatch.setattr(search, "_COLUMNS", 11)
    pieces = nearest(showers, training)
    for one, other in zip(whole, pieces, strict=True):
        if one is not whole.row:  # of equally near ones any may be named
            np.testing.assert_array_equal(one, other)


def test_bright_copies_are_at_distance_zero():
    training = np.random.default_rng(0).integers(0, 60_000, (40, 500)).astype(np.uint16)
    found = nearest(training[::-1], training)
    assert (found.distance == 0).all()
    np.testing.assert_array_equal(found.row, np.arange(40)[::-1])


def test_no_training_showers_or_other_cells_are_refused():
    with pytest.raises(ValueError, match="found shape"):
        nearest(np.ones((2, 3)), np.ones((0, 3)))
    with pytest.raises(ValueError, match="found shape"):
        nearest(np.ones((2, 3)), np.ones((5, 4)))


def test_centred_showers_forget_where_they_were(toy_grid):
    cells = np.zeros((6, 4), dtype=np.uint16)
    cells[1, 1], cells[2, 1], cells[1, 2] = 5, 3, 1
    moved = np.roll(cells, (2, 1), axis=(0, 1))
    one, other = centred(np.stack((cells.ravel(), moved.ravel())), toy_grid)
    np.testing.assert_array_equal(one, other)
    assert one.sum() == cells.sum()
    assert one.dtype == np.uint16


def test_empty_showers_and_cylinders_stay_where_they_are(toy_grid, toy_cylinder, toy_sample):
    assert not centred(np.zeros((2, 24)), toy_grid).any()
    showers = toy_sample(toy_cylinder, 5).showers
    assert centred(showers, toy_cylinder) is showers


def disguises(train, test, rng):
    """Generators that replay training showers, and how."""
    donor = rng.integers(0, len(train), len(test))
    copies = train.showers[donor]
    moved = np.roll(copies.reshape(-1, 44, 44), (2, -1), axis=(1, 2)).reshape(copies.shape)
    some = test.showers.copy()
    tenth = rng.random(len(some)) < 0.1
    some[tenth] = copies[tenth]
    return {
        "replayed": copies,
        "moved": moved,
        "one in ten": some,
        "counts drawn around them": rng.poisson(copies).astype(np.uint16),
        "thinned": rng.binomial(copies, 0.8).astype(np.uint16),
    }


def test_replayed_training_showers_are_caught(zn):
    train, trained, test, held_out = zn
    rng = np.random.default_rng(0)
    particle = test.particles.incident
    for name, showers in disguises(train, test, rng).items():
        found = nearest(centred(showers, test.geometry), trained)
        result = check_memory(found, particle, held_out, particle, rng=rng)
        assert result.copies, name
        assert result.verdict.startswith("copies training showers"), name


def test_full_simulation_passes_and_p_values_are_uniform(zn):
    *_, test, held_out = zn
    particle = test.particles.incident
    rng = np.random.default_rng(1)
    p = []
    for _ in range(60):
        first = np.argsort(particle + rng.random(len(particle))) % 5 < 2
        sides = [(part(held_out, s), particle[s]) for s in (first, ~first)]
        result = check_memory(*sides[0], *sides[1], rng=rng, n_permutations=99)
        p.append((result.p_near, result.p_copied))
        assert result.ratio == pytest.approx(1, abs=0.1)
    p = np.array(p)
    assert (p < 0.005).sum() == 0
    assert ((p.mean(axis=0) > 0.35) & (p.mean(axis=0) < 0.65)).all()


def test_showers_without_variety_are_not_called_copies():
    rng = np.random.default_rng(2)
    particle = np.repeat(np.arange(300), 2)
    light = rng.gamma(4, 5, (2000, 1)) * np.linspace(0.5, 1.5, 20)
    training, held_out = rng.poisson(light[:1400]), rng.poisson(light[1400:])
    alike = rng.poisson(20 * np.linspace(0.5, 1.5, 20), held_out.shape)
    near = [nearest(s, training) for s in (alike, held_out)]
    result = check_memory(near[0], particle, near[1], particle, rng=rng)
    assert not result.copies
    assert "too little variety" in result.verdict
    assert result.ratio < 0.99


def test_few_and_empty_showers(toy_grid):
    rng = np.random.default_rng(0)
    nothing = np.zeros((4, 24), dtype=np.uint16)
    found = nearest(centred(nothing, toy_grid), nothing[:1])
    result = check_memory(found, np.arange(4), found, np.arange(4), rng=rng)
    assert (result.ratio, result.copied, result.p_near, result.p_copied) == (1, 0, 1, 1)
    strangers = check_memory(found, np.arange(4), found, np.arange(4, 8), rng=rng)
    assert strangers.p_near == 1
    assert "no sign" in strangers.verdict


@pytest.mark.parametrize("repeats", [1, 4])
@pytest.mark.parametrize("detector", ["toy_grid", "toy_cylinder"])
def test_section_of_a_suite(request, toy_sample, detector, repeats):
    geometry = request.getfixturevalue(detector)
    train = toy_sample(geometry, 60, seed=3)
    full = toy_sample(geometry, 20, repeats=repeats)
    again = toy_sample(geometry, 20, repeats=repeats)
    copy = train.select(np.arange(len(full)))
    copy = type(full)(full.particles, copy.showers, geometry, None, {}, "copy")
    rng = np.random.default_rng(0)
    trial = make_trial(full, {"again": again, "copy": copy}, rng=rng)
    sizes = {"n_bootstrap": 10, "n_draws": 2}
    assert memory.memorisation(trial, Settings(**sizes), rng).figures == ()
    finding = memory.memorisation(trial, Settings(**sizes, training=train), rng)
    names = [d.name for d in memory.DEFINITIONS]
    assert [(f.metric, f.sample) for f in finding.figures] == [
        (name, sample) for name in names for sample in ("again", "copy")
    ]
    ratios = {f.sample: f.value.value for f in finding.figures if f.metric == names[0]}
    assert ratios["copy"] < 0.8 * ratios["again"]
    for figure in finding.figures:
        assert figure.n == (10 if repeats == 1 else 40)
        assert "120 training showers" in figure.note
    for scores in finding.scores:
        assert len(scores.reference) == len(trial.reference)
        assert len(scores.generated) == len(trial.generated[0])
        assert np.isfinite(scores.reference).all()


def renumbered(sample: ShowerSample, by: int = 1_000_000) -> ShowerSample:
    particles = Particles(sample.particles.columns, sample.particles.incident + by)
    return replace(sample, particles=particles, source="renumbered")


def elsewhere(sample: ShowerSample) -> ShowerSample:
    """The showers of a sample as those of other particles."""
    columns = dict(sample.particles.columns)
    columns["energy_gev"] = columns["energy_gev"] * 1.01
    return replace(sample, particles=Particles(columns, sample.particles.incident))


def in_single_precision(sample: ShowerSample) -> ShowerSample:
    columns = {
        name: values.astype(np.float32) if values.dtype.kind == "f" else values
        for name, values in sample.particles.columns.items()
    }
    particles = Particles(columns, sample.particles.incident)
    return replace(sample, particles=particles)


def joined(one: ShowerSample, other: ShowerSample) -> ShowerSample:
    particles = Particles.concatenate((one.particles, other.particles))
    showers = np.concatenate((one.showers, other.showers))
    return ShowerSample(particles, showers, one.geometry, None, {}, "joined")


def p_of_memory(trial, train, name):
    few = Settings(n_bootstrap=5, n_draws=1, n_permutations=299, max_showers=200)
    rng = np.random.default_rng(5)
    found = memory.memorisation(trial, replace(few, training=train), rng)
    (side,) = (side for side in trial.generated if side.name == name)
    tests = exchange_tests(trial, side, found.scores, few, rng)
    return {t.metric: t.p_adjusted for t in tests if t.metric in MEMORY}


def test_exchange_tests_reject_a_generator_that_was_trained_on_what_it_makes() -> None:
    full = load_sample("zn-test").select(slice(0, 600))
    repeat = np.arange(len(full)) % 5
    reference, again = full.select(repeat < 3), full.select(repeat >= 3)
    trial = make_trial(reference, {"again": again}, rng=np.random.default_rng(0))
    others = load_sample("zn-train").select(slice(0, 1000))
    copied = p_of_memory(trial, elsewhere(again), "again")
    assert copied.keys() == MEMORY
    assert max(copied.values()) <= 0.01
    assert min(p_of_memory(trial, others, "again").values()) > 0.05


def test_particles_that_were_trained_on_are_left_out(toy_grid, toy_sample) -> None:
    full = toy_sample(toy_grid, 40, repeats=4)
    again = replace(full, showers=toy_sample(toy_grid, 40, repeats=4).showers[::-1].copy())
    trial = make_trial(full, {"again": again}, rng=np.random.default_rng(0))
    strangers = toy_sample(toy_grid, 60, repeats=2, seed=3)
    known = full.select(slice(0, 60))  # fifteen particles
    for own in (known, renumbered(known), in_single_precision(known)):
        train = joined(own, strangers)
        kept = held_out_particles(trial, train)
        assert kept.tolist() == [False] * 15 + [True] * 25
        chosen = Settings(n_bootstrap=5, n_draws=1, training=train)
        finding = memory.memorisation(trial, chosen, np.random.default_rng(0))
        for figure in finding.figures:
            assert figure.n == 50
            assert "15 particles that were trained on are left out" in figure.note
        for scores in finding.scores:
            left_out = np.concatenate((scores.reference[:60], scores.generated[:60]))
            assert np.ptp(left_out) == 0
            assert np.isfinite(scores.reference).all()
            assert np.ptp(scores.reference[60:]) > 0


@pytest.mark.parametrize("disguise", ["as it is", "renumbered", "in single precision"])
def test_the_reference_is_no_training_sample(toy_grid, toy_sample, disguise) -> None:
    full = toy_sample(toy_grid, 20, repeats=4)
    trial = make_trial(full, {"again": full}, rng=np.random.default_rng(0))
    train = {
        "as it is": full,
        "renumbered": renumbered(full),
        "in single precision": in_single_precision(full),
    }[disguise]
    with pytest.raises(
        DataFormatError, match="--training: found the reference's own"
    ) as caught:
        memory.memorisation(trial, Settings(training=train), np.random.default_rng(0))
    assert "\n" not in str(caught.value)
    assert "trained on, not the reference" in str(caught.value)


def test_particles_of_a_beam_are_told_by_their_showers(toy_cylinder, toy_sample) -> None:
    def beam(seed: int) -> ShowerSample:
        sample = toy_sample(toy_cylinder, 30, repeats=1, seed=seed)
        columns = {k: np.full(30, v[0]) for k, v in full.particles.columns.items()}
        return replace(sample, particles=Particles(columns, np.arange(30)))

    full = toy_sample(toy_cylinder, 30, repeats=1)
    full, again, other = beam(0), beam(1), beam(2)
    trial = make_trial(full, {"again": again}, rng=np.random.default_rng(0))
    assert held_out_particles(trial, other).all()
    assert held_out_particles(trial, joined(other, full.select(slice(0, 10)))).sum() == 20
    with pytest.raises(DataFormatError, match="own particles"):
        held_out_particles(trial, renumbered(full))


def test_no_share_of_copies_where_full_simulation_has_equal_showers(toy_grid, toy_sample):
    full = toy_sample(toy_grid, 20, repeats=4)
    trial = make_trial(full, {"again": full}, rng=np.random.default_rng(0))
    chosen = Settings(n_bootstrap=5, n_draws=1, training=elsewhere(full))
    finding = memory.memorisation(trial, chosen, np.random.default_rng(0))
    (copied,) = (f for f in finding.figures if f.metric == "copied_showers")
    assert copied.value is None
    assert "no copy stands out" in copied.note


@pytest.mark.parametrize("n", [2, 3, 4])
def test_tiny_unmatched_samples_do_not_crash(toy_grid, toy_sample, n) -> None:
    full, again = (toy_sample(toy_grid, n, repeats=1) for _ in range(2))
    trial = make_trial(full, {"again": again}, rng=np.random.default_rng(0))
    train = toy_sample(toy_grid, 10, seed=3)
    chosen = Settings(n_bootstrap=30, n_draws=2, training=train)
    assert len(memory.memorisation(trial, chosen, np.random.default_rng(0)).figures) == 2
