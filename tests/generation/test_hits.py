"""Hits drawn one by one from shapes follow the law of independent cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

import caloforge
from caloforge.data.far_light import FarLight
from caloforge.data.particles import Particles
from caloforge.data.transforms import CellFrame
from caloforge.errors import BundleError
from caloforge.generation.counts import BRIGHT, draw_counts
from caloforge.generation.hits import AliasTable, HitDrawing, picked
from caloforge.generation.wandering import wandering
from caloforge.nn import draw_tracks
from caloforge.types import CellLaw

POISSON, CLUSTERS = CellLaw("poisson"), CellLaw("negative-binomial", 1.8)
TRACKS = CellLaw("tracks", 1.8, 0.6, 1.2)


def incident(n: int, x: float = 0.1, y: float = 0.1) -> Particles:
    names = ("energy_gev", "x_cm", "y_cm", "z_cm", "px_gev", "py_gev", "pz_gev")
    columns = {name: np.zeros(n) for name in (*names, "mass_mev", "charge_e")}
    columns |= {"energy_gev": np.full(n, 100.0), "pz_gev": np.full(n, -100.0)}
    columns |= {"x_cm": np.full(n, x), "y_cm": np.full(n, y)}
    return Particles(columns | {"pdg": np.full(n, 2112)}, np.arange(n))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 9), st.integers(0, 30))
def test_picked_is_a_search(seed, n, n_parts, m) -> None:
    rng = np.random.default_rng(seed)
    widths = rng.random((n, n_parts)) * (rng.random((n, n_parts)) < 0.7)
    widths[:, 0] += 1e-3
    edges = np.cumsum(widths, axis=1)
    edges /= edges[:, -1:].copy()
    rows, numbers = rng.integers(n, size=m), rng.random(m)
    parts, within = picked(edges, rows, numbers)
    for row, number, part, inside in zip(rows, numbers, parts, within, strict=True):
        assert part == min(np.searchsorted(edges[row], number, side="right"), n_parts - 1)
        low = edges[row, part - 1] if part else 0.0
        assert inside == pytest.approx((number - low) / (edges[row, part] - low))


@pytest.mark.parametrize("n_cells", [1, 2, 7, 40])
def test_an_alias_table_holds_the_chances(n_cells) -> None:
    rng = np.random.default_rng(n_cells)
    chances = rng.random((5, n_cells)) ** 4 + 1e-12
    chances /= chances.sum(axis=1, keepdims=True)
    table = AliasTable(chances)
    # A fine comb of numbers gives every cell its share.
    comb = (np.arange(200_000) + 0.5) / 200_000
    for row in range(5):
        drawn = table.draw(np.full(len(comb), row), comb)
        share = np.bincount(drawn, minlength=n_cells) / len(comb)
        np.testing.assert_allclose(share, chances[row], atol=2 * n_cells / len(comb))


@pytest.mark.parametrize("law", [POISSON, CLUSTERS])
def test_cells_have_the_mean_and_variance_of_the_law(law, toy_grid) -> None:
    rng = np.random.default_rng(0)
    shapes = rng.dirichlet(np.full(24, 0.3), size=3)
    amounts = np.array([[4.0, 0.0, 2.5]], dtype=np.float32)
    drawing = HitDrawing(shapes, law, CellFrame(toy_grid))
    n = 40_000
    made = drawing.draw(
        np.repeat(amounts, n, axis=0), incident(n), seed=1, showers=np.arange(n)
    )
    mean = (amounts @ shapes)[0]
    fano = law.fano if law is CLUSTERS else 1.0
    assert made.dtype == np.uint16
    assert (np.abs(made.mean(axis=0) - mean) < 5 * np.sqrt(fano * mean / n)).all()
    bright = mean > 0.3
    np.testing.assert_allclose(made.var(axis=0)[bright], fano * mean[bright], rtol=0.06)
    # Cells are independent: the sum has the sum of the variances.
    assert made.sum(axis=1).var() == pytest.approx(fano * 6.5, rel=0.04)


@pytest.mark.parametrize("of_shapes", [True, False])
def test_tracks_keep_the_means_and_bring_neighbours_together(of_shapes, toy_grid) -> None:
    rng = np.random.default_rng(1)
    shapes = rng.dirichlet(np.full(24, 0.3), size=3)
    amounts = np.array([[4.0, 20.0, 2.5]], dtype=np.float32)
    n = 40_000
    numbers, mean = np.arange(n), (amounts @ shapes)[0]
    if of_shapes:
        drawing = HitDrawing(shapes, TRACKS, CellFrame(toy_grid))
        made = drawing.draw(np.repeat(amounts, n, axis=0), incident(n), seed=1, showers=numbers)
    else:
        made = draw_counts(
            np.repeat(4 * mean[None], n, axis=0).astype(np.float32),
            TRACKS,
            seed=1,
            showers=numbers,
            order=np.broadcast_to(np.arange(24), (n, 24)),
            wandering=wandering(TRACKS, toy_grid),
        )
        mean = 4 * mean
        assert (mean > BRIGHT).any()
    spread = made.std(axis=0)
    assert (np.abs(made.mean(axis=0) - mean) < 5 * spread / np.sqrt(n) + 1e-4).all()
    total = made.sum(axis=1)
    assert total.var() / total.mean() == pytest.approx(1.8, rel=0.03)
    # What a cell lacks of the factor is what it shares with others.
    assert (made.var(axis=0) / mean)[mean > 0.3].mean() < 1.75
    assert np.cov(made.T)[~np.eye(24, dtype=bool)].sum() / mean.sum() > 0.07


def test_generation_draws_the_tracks_that_training_draws(toy_grid) -> None:
    rng = np.random.default_rng(2)
    mean = 3 * rng.dirichlet(np.full(24, 0.5)).astype(np.float32) * 6
    n = 40_000
    cells, order = np.repeat(mean[None], n, axis=0), np.broadcast_to(np.arange(24), (n, 24))
    made = draw_counts(
        cells,
        TRACKS,
        seed=3,
        showers=np.arange(n),
        order=order,
        wandering=wandering(TRACKS, toy_grid),
    )
    generator = torch.Generator().manual_seed(0)
    trained = draw_tracks(torch.from_numpy(cells), TRACKS, (6, 4), generator).numpy()
    one, other = np.cov(made.T), np.cov(trained.T)
    # A covariance is a mean of products, as uncertain as they scatter.
    scatter = sum(
        (square.T @ square) / n - covariance**2
        for covariance, drawn in ((one, made), (other, trained))
        for square in ((drawn - drawn.mean(axis=0)) ** 2,)
    )
    scale = np.sqrt(scatter / n)
    assert (np.abs(one - other) < 5 * scale + 1e-4).all()
    spread = np.sqrt((made.var(axis=0) + trained.var(axis=0)) / n)
    assert (np.abs(made.mean(axis=0) - trained.mean(axis=0)) < 5 * spread + 1e-4).all()


def test_tracks_need_a_grid(toy_cylinder) -> None:
    with pytest.raises(BundleError, match=r"draws tracks in geometry 'toy.*', expected"):
        wandering(TRACKS, toy_cylinder)


def test_counts_follow_poisson(toy_grid) -> None:
    shapes = np.full((2, 24), 1 / 24)
    n = 5_000
    amounts = np.tile(np.array([[20.0, 28.0]], dtype=np.float32), (n, 1))
    drawing = HitDrawing(shapes, POISSON, CellFrame(toy_grid))
    made = drawing.draw(amounts, incident(n), seed=0, showers=np.arange(n))
    seen = np.bincount(made.ravel(), minlength=12)[:12]
    k = np.arange(12)
    expected = np.exp(-2.0) * 2.0**k / np.cumprod([1, *range(1, 12)])
    expected[-1] += 1 - expected.sum()
    seen[-1] += made.size - seen.sum()
    assert chisquare(seen, expected * made.size).pvalue > 0.001


@pytest.mark.parametrize("law", [POISSON, CLUSTERS, TRACKS])
def test_a_shower_does_not_depend_on_its_company(law, toy_grid) -> None:
    rng = np.random.default_rng(3)
    shapes = rng.dirichlet(np.full(24, 0.3), size=6)
    frame = CellFrame(toy_grid, True, FarLight((0, 3), {0: (0.0, 0.01)}))
    drawing = HitDrawing(shapes, law, frame)
    amounts = rng.gamma(0.5, 10, (40, 6)).astype(np.float32)
    amounts[7] = 0
    particles = incident(40, 1.3)
    together = drawing.draw(amounts, particles, seed=2, showers=np.arange(40) + 10)
    assert together[7].sum() < together.sum()
    for k in range(40):
        row = slice(k, k + 1)
        alone = drawing.draw(
            amounts[row], particles.select(row), seed=2, showers=np.array([k + 10])
        )
        assert (alone == together[k]).all()


def test_far_cells_hold_their_light_and_no_other(toy_grid) -> None:
    # Cell (5, 0) of 6 x 4 is hit; cells nearer than 3 and further are of two rates.
    light = FarLight((0, 4), {0: (0.002, 0.005), 22: (0.1, 0.1)})
    frame = CellFrame(toy_grid, centre_on_impact=True, far_light=light)
    n = 60_000
    particles = incident(n, 1.3, -0.3)
    one = particles.select(slice(0, 1))
    drawing = HitDrawing(np.full((1, 24), 1 / 24), POISSON, frame)
    amounts = np.full((n, 1), 2.4, dtype=np.float32)
    made = drawing.draw(amounts, particles, seed=5, showers=np.arange(n)).mean(axis=0)
    expected = np.empty((1, 24))
    cells = frame.completed(np.full((1, 24), 0.1, np.float32), one)
    np.put_along_axis(expected, frame.order(one), cells, axis=1)
    # A shape's hits beyond the edge of the detector are lost, not put to its other side.
    assert (np.abs(made - expected[0]) < 5 * np.sqrt(expected[0] / n)).all()
    assert {round(value, 3) for value in expected[0].tolist()} == {0.1, 0.2, 0.5}


@pytest.mark.parametrize("x", [-2.0, -1.3, 0.1, 1.3, 2.0])
@pytest.mark.parametrize("y", [-0.9, 0.2, 0.9])
def test_every_far_cell_can_be_hit_and_no_near_one(toy_grid, x, y) -> None:
    light = FarLight((0, 2), {0: (1.0, 0.5)})
    frame = CellFrame(toy_grid, centre_on_impact=True, far_light=light)
    one = incident(1, x, y)
    region = frame.moved(one).far
    far = frame.order(one)[0][~frame.near(one)[0]]
    assert region.most[0] == pytest.approx(100 * len(far))
    comb = (np.arange(2400) + 0.5) / 2400
    cells, chances = region.draw(np.zeros(2400, dtype=int), comb)
    assert set(cells[: 2400 * bool(len(far))]) == set(far)
    if len(far):
        near_by = frame.distance(one)[0][np.argsort(frame.order(one)[0])][cells] < 2
        np.testing.assert_allclose(chances, np.where(near_by, 1.0, 0.5))


def test_bright_cells_need_more_bits(toy_grid) -> None:
    shapes = np.zeros((1, 24))
    shapes[0, 3] = 1
    drawing = HitDrawing(shapes, POISSON, CellFrame(toy_grid))
    amounts = np.array([[70_000.0], [5.0]], dtype=np.float32)
    made = drawing.draw(amounts, incident(2), seed=0, showers=np.arange(2))
    assert made.dtype == np.uint32
    assert abs(int(made[0, 3]) - 70_000) < 2000
    many = drawing.draw(
        np.full((200, 1), 500, np.float32), incident(200), seed=0, showers=np.arange(200)
    )
    assert many.dtype == np.uint16  # only a cell, not a sum, needs more
    assert many[:, 3].mean() == pytest.approx(500, rel=0.02)


@pytest.mark.parametrize(
    ("law", "shapes", "amount", "message"),
    [
        (CellLaw("rounding"), np.full((1, 24), 1 / 24), 1.0, "draws hits by law 'rounding'"),
        (POISSON, np.full((1, 24), 1 / 20), 1.0, "shapes that do not sum to 1"),
        (POISSON, np.full((1, 24), 1 / 24), -1.0, "gives cells from -1.0"),
        (POISSON, np.full((1, 24), 1 / 24), np.nan, "gives cells from nan"),
        (POISSON, np.full((1, 24), 1 / 24), 1e9, "gives showers of 1e\\+09 hits"),
    ],
)
def test_faults_of_a_model(law, shapes, amount, message, toy_grid) -> None:
    with pytest.raises(BundleError, match=message):
        HitDrawing(shapes, law, CellFrame(toy_grid)).draw(
            np.full((1, 1), amount, np.float32), incident(1), seed=0, showers=np.arange(1)
        )


@pytest.mark.parametrize("kind", ["hits", "clustered hits", "tracks", "tracks of cells"])
def test_showers_are_those_of_the_models_cells(kind, make_bundle, particles) -> None:
    simulation = caloforge.load(make_bundle(kind))
    one = particles.select([3])
    made = simulation.generate(one, repeats=20_000).showers
    model, frame = simulation.bundle.generator, simulation.bundle.frame
    scaled = simulation.bundle.conditions.scaled(one, simulation.geometry)
    conditions = torch.from_numpy(scaled).expand(20_000, -1)
    rng = torch.Generator().manual_seed(0)
    noise = torch.randn(20_000, model.noise_dim, generator=rng)
    with torch.inference_mode():
        cells = model.sample(conditions, noise).mean(dim=0, keepdim=True).numpy()
    expected = np.empty_like(cells)
    np.put_along_axis(expected, frame.order(one), frame.completed(cells, one), axis=1)
    spread = made.std(axis=0) / np.sqrt(len(made))
    # Both averages fluctuate.
    assert (np.abs(made.mean(axis=0) - expected[0]) < 6 * spread + 1e-3).all()


@pytest.mark.parametrize("compiled", [True, False])
def test_each_family_follows_its_law(compiled, toy_grid) -> None:
    rng = np.random.default_rng(0)
    shapes = rng.dirichlet(np.full(24, 0.3), size=3)
    own = CellLaw("tracks", 1.2, 0.1, 1.0)
    both = replace(TRACKS, electromagnetic=own, columns=(0,))
    frame, amounts = CellFrame(toy_grid), np.full((300, 3), 5, dtype=np.float32)
    amounts[7, 1] = 1e5  # more than 16 bits
    apart, particles, numbers = rng.random(300) < 0.4, incident(300), np.arange(300)
    drawn = HitDrawing(shapes, both, frame, compiled=compiled).draw(
        amounts, particles, seed=3, showers=numbers, apart=apart
    )
    for rows, law in ((apart, own), (~apart, TRACKS)):
        alone = HitDrawing(shapes, law, frame, compiled=compiled).draw(
            amounts[rows], particles.select(rows), seed=3, showers=numbers[rows]
        )
        np.testing.assert_array_equal(drawn[rows], alone)
