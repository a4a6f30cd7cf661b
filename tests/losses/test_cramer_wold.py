"""Cramer-Wold distance against its definition by quadrature, and its kernel against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import hyp1f1

from caloforge.errors import DataFormatError
from caloforge.losses.cramer_wold import (
    cramer_wold,
    cramer_wold_to_normal,
    kernel,
    silverman,
)


def normal(n: int, d: int, seed: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize(
    ("dim", "largest"),
    [(2, 1e-12), (3, 0.093), (4, 0.058), (6, 0.033), (10, 0.017), (20, 0.008)],
)
def test_kernel_is_as_near_as_the_docstring_says(dim: int, largest: float) -> None:
    s = np.concatenate((np.linspace(0, 30, 3001), np.linspace(30, 500, 500)))
    error = np.abs(kernel(torch.from_numpy(s), dim).numpy() - hyp1f1(0.5, dim / 2, -s)).max()
    assert error < largest
    assert dim == 2 or error > largest - 0.002


def projected(x: torch.Tensor, y: torch.Tensor | None, gamma: float) -> float:
    """The definition in two dimensions: smoothed projections, compared along all directions."""
    t = np.linspace(-12, 12, 4001)
    total = 0.0
    angles = np.arange(180) * np.pi / 180
    for angle in angles:
        direction = np.array([np.cos(angle), np.sin(angle)])

        def smoothed(cloud: torch.Tensor, direction: np.ndarray = direction) -> np.ndarray:
            away = t[:, None] - cloud.numpy() @ direction
            return np.exp(-(away**2) / (2 * gamma)).mean(axis=1) / np.sqrt(2 * np.pi * gamma)

        other = (
            np.exp(-(t**2) / (2 * (1 + gamma))) / np.sqrt(2 * np.pi * (1 + gamma))
            if y is None
            else smoothed(y)
        )
        total += float(((smoothed(x) - other) ** 2).sum() * (t[1] - t[0]))
    return total / len(angles)


def test_distance_of_clouds_by_quadrature() -> None:
    x, y = normal(15, 2, 0), 0.5 * normal(15, 2, 1) + 1
    assert float(cramer_wold(x, y)) == pytest.approx(projected(x, y, silverman(15)), rel=1e-5)


def test_distance_from_the_normal_by_quadrature() -> None:
    x = 0.5 * normal(15, 2, 1) + 1
    expected = projected(x, None, silverman(15))
    assert float(cramer_wold_to_normal(x)) == pytest.approx(expected, rel=1e-5)


def test_distance_of_two_points_is_known() -> None:
    # Two Gaussians of variance g at a distance of r |cos a| have a squared L2 distance of
    # (1 - exp(-(r cos a)^2 / 4 g)) / sqrt(pi g), whose mean over a has Bessel's I0 in it.
    from scipy.special import i0e

    r, g = 1.7, silverman(1)
    x, y = torch.zeros(1, 2, dtype=torch.float64), torch.tensor([[0.0, r]]).double()
    expected = (1 - i0e(r**2 / (8 * g))) / np.sqrt(np.pi * g)
    assert float(cramer_wold(x, y)) == pytest.approx(expected, rel=1e-6)


def test_far_from_the_normal_the_definition_holds_in_six_dimensions() -> None:
    """Directions drawn at random: the kernel for 6 dimensions is off by 0.033 at most."""
    x = 0.4 * normal(12, 6, 1) + 0.8
    gamma = silverman(12)
    rng = np.random.default_rng(0)
    t = np.linspace(-10, 10, 1501)
    normal_density = np.exp(-(t**2) / (2 * (1 + gamma))) / np.sqrt(2 * np.pi * (1 + gamma))
    values = []
    for direction in rng.standard_normal((600, 6)):
        at = x.numpy() @ (direction / np.linalg.norm(direction))
        density = np.exp(-((t[:, None] - at) ** 2) / (2 * gamma)).mean(axis=1)
        density /= np.sqrt(2 * np.pi * gamma)
        values.append(((density - normal_density) ** 2).sum() * (t[1] - t[0]))
    error = np.std(values) / np.sqrt(len(values))
    off = 0.033 * 4 / (2 * np.sqrt(np.pi * gamma))
    assert float(cramer_wold_to_normal(x)) == pytest.approx(
        np.mean(values), abs=4 * error + off
    )
    assert np.mean(values) > 4 * error + off


@pytest.mark.parametrize("dim", [2, 6, 20])
def test_the_standard_normal_is_nearest_to_itself(dim: int) -> None:
    x = normal(1000, dim, 0)
    values = {f: float(cramer_wold_to_normal(f * x)) for f in (0.7, 0.85, 1.0, 1.15, 1.3)}
    assert min(values, key=lambda f: values[f]) == 1.0


def test_equal_clouds_have_no_distance() -> None:
    x = normal(20, 5, 0)
    assert float(cramer_wold(x, x.flip(0))) == pytest.approx(0, abs=1e-12)
    assert float(cramer_wold(x, x + 0.1)) > 1e-5


def test_gradients() -> None:
    x, y, c = normal(5, 3, 0).requires_grad_(), normal(6, 3, 1), normal(5, 1, 2)
    assert torch.autograd.gradcheck(cramer_wold_to_normal, (x,))
    assert torch.autograd.gradcheck(lambda a: cramer_wold(a, y), (x,))
    assert torch.autograd.gradcheck(
        lambda a: cramer_wold(a, y[:5], conditions_x=c, conditions_y=c), (x,)
    )


def test_points_of_a_line_are_refused() -> None:
    x, conditions = normal(5, 1, 0), normal(5, 1, 1)
    with pytest.raises(DataFormatError, match="to_normal: found points of 1 dimension"):
        cramer_wold_to_normal(x)
    with pytest.raises(DataFormatError, match="cramer_wold: found points of 1 dimension"):
        cramer_wold(x, x + 1)
    # Their conditions are a second one.
    found = cramer_wold(x, x + 1, conditions_x=conditions, conditions_y=conditions)
    assert float(found) > 0
