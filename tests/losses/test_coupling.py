"""Pairs of noise and data: optimal, and aware of the condition."""

from __future__ import annotations

from itertools import permutations

import torch

from caloforge.losses.coupling import coupled


def cloud(n: int, d: int, seed: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_pairs_are_the_best_of_all_permutations() -> None:
    x, y, c = cloud(6, 3, 0), cloud(6, 3, 1), cloud(6, 2, 2)

    def cost(rows: tuple[int, ...]) -> float:
        pairs = list(rows)
        between = (y - x[pairs]).square().sum() + 0.7 * (c - c[pairs]).square().sum()
        return float(between)

    found = tuple(coupled(x, y, c, condition_weight=0.7).tolist())
    assert found == min(permutations(range(6)), key=cost)


def test_on_a_line_without_condition_noise_and_data_are_sorted() -> None:
    x, y = cloud(50, 1, 3), cloud(50, 1, 4)
    pairs = coupled(x, y, cloud(50, 0, 0), condition_weight=1.0)
    assert torch.equal(x[pairs][y[:, 0].argsort()], x.sort(dim=0).values)


def test_a_large_weight_keeps_noise_with_its_condition() -> None:
    x, y, c = cloud(40, 2, 5), cloud(40, 2, 6), cloud(40, 1, 7)
    assert torch.equal(coupled(x, y, c, condition_weight=1e9), torch.arange(40))


def test_noise_stays_independent_of_the_condition_where_plain_transport_sorts_it() -> None:
    # Two conditions whose data lie apart: plain transport gives each its own half of the noise.
    c = torch.tensor([[-1.0], [1.0]], dtype=torch.float64).repeat(100, 1)
    x, y = cloud(200, 1, 8), 3 * c + 0.1 * cloud(200, 1, 9)
    means = {}
    for weight in (0.0, 100.0):
        noise = x[coupled(x, y, c, condition_weight=weight)]
        means[weight] = float(noise[c > 0].mean() - noise[c < 0].mean())
    plain = x.sort(dim=0).values
    assert abs(means[0.0] - float(plain[100:].mean() - plain[:100].mean())) < 1e-12
    assert abs(means[100.0] - float(x[c > 0].mean() - x[c < 0].mean())) < 1e-12
    # And within a condition the pairs are sorted.
    noise, some = x[coupled(x, y, c, condition_weight=100.0)], c[:, 0] > 0
    order = y[some][:, 0].argsort()
    assert (noise[some][order].diff(dim=0) >= 0).all()
