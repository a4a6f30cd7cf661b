"""Kernels of the WAE, in standard deviations of its prior."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from caloforge.losses.mmd import mmd
from caloforge.models import WAEConfig


@pytest.mark.parametrize("bandwidth", [0.5, 2.0])
@pytest.mark.parametrize("dim", [2, 10, 64])
def test_the_bandwidth_is_in_standard_deviations_of_the_prior(dim, bandwidth) -> None:
    rng = torch.Generator().manual_seed(0)
    codes, prior = (torch.randn(50, dim, generator=rng) for _ in range(2))
    none = torch.empty(50, 0)
    for name in ("normal", "sphere"):
        if name == "sphere":
            codes, prior = normalize(codes, dim=1), normalize(prior, dim=1)
        config = WAEConfig(latent_dim=dim, prior=name, bandwidth=bandwidth)
        found = config.distance(codes, prior, none, rng)
        deviation = 1.0 if name == "normal" else dim**-0.5
        torch.testing.assert_close(found, mmd(codes, prior, bandwidth=bandwidth * deviation))


def test_scales_fit_the_sphere() -> None:
    """Kernels at the mean squared distance of two draws, 2, in every dimension."""
    rng = torch.Generator().manual_seed(0)
    none = torch.empty(2, 0)
    for dim in (2, 64):
        here = torch.eye(dim)[:1].expand(2, dim)
        # Points on two axes: squared distance 2, so that the kernel of scale s is s / (s + 1).
        there = torch.eye(dim)[1:2].expand(2, dim)
        found = WAEConfig(latent_dim=dim, prior="sphere").distance(here, there, none, rng)
        scales = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
        expected = 2 * sum(1 - s / (s + 1) for s in scales)
        assert float(found) == pytest.approx(expected, rel=1e-5)
