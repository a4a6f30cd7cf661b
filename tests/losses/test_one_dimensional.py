"""W1 of columns, and the divergence of Gaussians."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from caloforge.losses.divergence import gaussian_kl
from caloforge.losses.one_dimensional import wasserstein_1d


def test_w1_is_scipys_mean_over_columns() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)), rng.gamma(2, size=(50, 3))
    expected = np.mean([stats.wasserstein_distance(x[:, k], y[:, k]) for k in range(3)])
    assert float(wasserstein_1d(torch.tensor(x), torch.tensor(y))) == pytest.approx(expected)


def test_w1_refuses_other_sizes() -> None:
    with pytest.raises(ValueError, match=r"expected \(n, column\)"):
        wasserstein_1d(torch.zeros(3, 1), torch.zeros(4, 1))


def test_kl_is_torchs() -> None:
    rng = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 7, 4, generator=rng)
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(
        normal(mean, (log_variance / 2).exp()), normal(0.0, 1.0)
    )
    torch.testing.assert_close(gaussian_kl(mean, log_variance), expected.sum(1).mean())
    assert float(gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 3))) == 0.0
