"""The divergence against closed forms, geomloss, POT and finite differences.

geomloss ``SamplesLoss(p=2)`` has cost |x - y|^2 / 2 and epsilon = blur^2: ours at
epsilon = 2 blur^2 is twice theirs.
"""

import math
import warnings

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from caloforge.losses.exact import exact_ot
from caloforge.losses.scaling import ConvergenceWarning
from caloforge.losses.sinkhorn import sinkhorn_divergence


def cloud(n, seed, d=8, dtype=torch.float64):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=rng, dtype=torch.float64).to(dtype)


def mixture(n, seed, d):
    rng = torch.Generator().manual_seed(seed)
    centres = torch.randn(8, d, generator=rng, dtype=torch.float64)
    noise = torch.randn(n, d, generator=rng, dtype=torch.float64)
    return centres[torch.randint(8, (n,), generator=rng)] + 0.5 * noise


def value_and_gradient(x, y, **options):
    x, y = x.detach().clone().requires_grad_(), y.detach().clone().requires_grad_()
    value = sinkhorn_divergence(x, y, **options)
    gradients = torch.autograd.grad(value, (x, y))
    return value.detach(), torch.cat(gradients).double()


def mean_cost(x, y):
    return float(torch.cdist(x, y).square().mean())


# Closed forms


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 10.0, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_two_points_are_their_squared_distance_at_any_epsilon(epsilon, dtype):
    # One point on each side leaves a single plan, of cost |x - y|^2 = 9 + 16.
    x, y = torch.tensor([[0.0, 0.0]], dtype=dtype), torch.tensor([[3.0, 4.0]], dtype=dtype)
    value, gradient = value_and_gradient(x, y, epsilon=epsilon)
    assert value == 25.0
    torch.testing.assert_close(gradient, torch.tensor([[-6.0, -8.0], [6.0, 8.0]]).double())


@pytest.mark.parametrize("epsilon", [0.01, 1.0, 100.0])
def test_one_point_against_many(epsilon):
    # The plan is the product: OT(x, y) = mean |x - y_j|^2, and OT(x, x) = 0.
    x, y = cloud(1, 0), cloud(50, 1)
    # OT(y, y) is left. From the definition with the plain, slow iteration:
    cost = torch.cdist(y, y).square()
    f = torch.zeros(50, dtype=torch.float64)
    for _ in range(200):
        f = (f - epsilon * (((f - cost) / epsilon).logsumexp(1) - math.log(50))) / 2
    expected = (y - x).square().sum(1).mean() - f.mean()
    value = sinkhorn_divergence(x, y, epsilon=epsilon, tolerance=1e-10)
    torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("epsilon", [0.1, 4.0, 100.0])
def test_translation_costs_its_squared_length(epsilon):
    # S(x, x + t) = |t|^2 for every epsilon: the plan of (x, x) is optimal for (x, x + t) too.
    x, t = cloud(40, seed=0), torch.full((8,), 0.25, dtype=torch.float64)
    value, gradient = value_and_gradient(x, x + t, epsilon=epsilon, tolerance=1e-8)
    torch.testing.assert_close(value, t.square().sum(), rtol=1e-6, atol=0.0)
    torch.testing.assert_close(gradient[:40], (-2 * t / 40).expand(40, 8), rtol=0, atol=1e-8)
    torch.testing.assert_close(gradient[40:], (2 * t / 40).expand(40, 8), rtol=0, atol=1e-8)


def test_far_translation_loses_no_digits_in_float32():
    x = cloud(64, seed=0, dtype=torch.float32)
    value = sinkhorn_divergence(x, x + 1000.0, epsilon=0.05)
    torch.testing.assert_close(value, torch.tensor(8e6))


def test_gaussians():
    # OT_e(N(a, A), N(b, B)) for cost |x - y|^2, i.e. half the cost at sigma^2 = e / 2 of
    # Janati et al. 2020, https://arxiv.org/abs/2006.02572, theorem 1, with the divergence of
    # theorem 2; in one dimension D(s, t) = sqrt(4 s^2 t^2 + sigma^4), sigma^2 = e / 2, and
    # B(s, t) = s^2 + t^2 - D + sigma^2 (1 - log 2 sigma^2) + sigma^2 log(D + sigma^2).
    # Coordinates of a product add up. Quantiles stand for the Gaussians.
    s, t, shift, epsilon = 1.0, 1.5, 0.7, 1.0
    u = (torch.arange(1500, dtype=torch.float64) + 0.5) / 1500
    z = math.sqrt(2) * torch.erfinv(2 * u - 1)
    sigma2 = epsilon / 2

    def bures(s, t):
        root = math.sqrt(4 * s**2 * t**2 + sigma2**2)
        return s**2 + t**2 - root + sigma2 * math.log(root + sigma2)

    expected = shift**2 + bures(s, t) - (bures(s, s) + bures(t, t)) / 2
    value = sinkhorn_divergence(s * z[:, None], (t * z + shift)[:, None], epsilon=epsilon)
    assert float(value) == pytest.approx(expected, rel=5e-3)


def test_equal_clouds_are_at_no_distance():
    x = cloud(100, seed=0)
    value, gradient = value_and_gradient(x, x, epsilon=3.0, tolerance=1e-9)
    assert abs(value) < 1e-12
    assert gradient.abs().max() < 1e-9


# Other libraries


@pytest.mark.parametrize(("blur", "tolerance"), [(1.0, 1e-8), (2.0, 1e-10)])
def test_is_twice_geomloss_at_epsilon_two_blur_squared(blur, tolerance):
    geomloss = pytest.importorskip("geomloss")
    x, y = cloud(60, seed=1, d=4), 1.3 * cloud(50, seed=2, d=4)
    loss = geomloss.SamplesLoss("sinkhorn", p=2, blur=blur, scaling=0.995, backend="tensorized")
    a, b = x.clone().requires_grad_(), y.clone().requires_grad_()
    theirs = 2 * loss(a, b)
    their_gradient = torch.cat(torch.autograd.grad(theirs, (a, b)))
    ours, gradient = value_and_gradient(x, y, epsilon=2 * blur**2, tolerance=tolerance)
    torch.testing.assert_close(ours, theirs.detach(), rtol=5e-4, atol=0.0)
    assert (gradient - their_gradient).norm() < 1e-2 * their_gradient.norm()


def test_two_iterations_are_those_of_geomloss():
    # With diameter = blur geomloss has two temperatures, both at epsilon, then a last update.
    geomloss = pytest.importorskip("geomloss")
    x, y = cloud(30, seed=1), 1.3 * cloud(40, seed=2) + 0.5
    loss = geomloss.SamplesLoss("sinkhorn", p=2, blur=0.7, diameter=0.7, backend="tensorized")
    a, b = x.clone().requires_grad_(), y.clone().requires_grad_()
    theirs = 2 * loss(a, b)
    ours, gradient = value_and_gradient(x, y, epsilon=2 * 0.7**2, n_iterations=2)
    torch.testing.assert_close(ours, theirs.detach())
    torch.testing.assert_close(gradient, torch.cat(torch.autograd.grad(theirs, (a, b))))


@pytest.mark.parametrize("share", [0.2, 0.05])
def test_agrees_with_pot(share):
    ot = pytest.importorskip("ot")
    x, y = cloud(60, 0, d=4), 1.2 * cloud(50, 1, d=4)
    epsilon = share * mean_cost(x, y)

    def entropic(x, y):
        # POT's entropy is not relative to the marginals: epsilon log(nm) more than theirs.
        a, b = torch.full_like(x[:, 0], 1 / len(x)), torch.full_like(y[:, 0], 1 / len(y))
        cost = torch.cdist(x, y).square()
        plan, log = ot.sinkhorn(
            a, b, cost, epsilon, method="sinkhorn_log", stopThr=1e-10, numItermax=10_000,
            log=True, warn=False,
        )  # fmt: skip
        dual = log["log_u"].mean() + log["log_v"].mean() + math.log(len(x) * len(y))
        return epsilon * dual, plan

    (xy, p), (xx, q), (yy, r) = entropic(x, y), entropic(x, x), entropic(y, y)
    their_gradient = 2 * torch.cat((q @ x - p @ y, r @ y - p.T @ x))
    ours, gradient = value_and_gradient(x, y, epsilon=epsilon, tolerance=1e-9)
    torch.testing.assert_close(ours, xy - (xx + yy) / 2, rtol=1e-6, atol=0.0)
    torch.testing.assert_close(gradient, their_gradient, rtol=1e-5, atol=1e-7)


# Gradient


@pytest.mark.parametrize("epsilon", [0.5, 5.0])
def test_gradient_matches_finite_differences_in_both_clouds(epsilon):
    x, y = cloud(6, 3, d=3).requires_grad_(), cloud(5, 4, d=3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, y: sinkhorn_divergence(x, y, epsilon=epsilon, tolerance=1e-12),
        (x, y),
        atol=1e-6,
    )


def test_gradient_reaches_one_cloud_given_twice():
    # S(x, 2 x) through both arguments, as when one network makes both clouds.
    x = cloud(6, 3, d=3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: sinkhorn_divergence(x, 2 * x, epsilon=6.0, tolerance=1e-12), x, atol=1e-6
    )


def test_gradient_reaches_conditions():
    x, y = cloud(6, 3, d=3), cloud(5, 4, d=3)
    c, e = cloud(6, 5, d=2).requires_grad_(), cloud(5, 6, d=2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda c, e: sinkhorn_divergence(
            x, y, epsilon=1.0, conditions_x=c, conditions_y=e, condition_weight=0.3,
            tolerance=1e-12,
        ),
        (c, e),
        atol=1e-6,
    )  # fmt: skip


def test_second_derivatives_are_refused():
    x, y = cloud(6, 3).requires_grad_(), cloud(5, 4)
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    value = scale * sinkhorn_divergence(x, y, epsilon=1.0)
    (gradient,) = torch.autograd.grad(value, x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


# Properties


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 20),
    m=st.integers(1, 20),
    share=st.floats(0.01, 10.0),
)
def test_symmetric_non_negative_and_blind_to_order(seed, n, m, share):
    x, y = cloud(n, seed), 1.5 * cloud(m, seed + 1)
    options = {"epsilon": share * mean_cost(x, y), "tolerance": 1e-7, "max_iterations": 20_000}
    xy, gradient = value_and_gradient(x, y, **options)
    yx, reverse = value_and_gradient(y.flip(0), x, **options)
    scale = mean_cost(x, y)
    torch.testing.assert_close(xy, yx, rtol=0, atol=1e-6 * scale)
    swapped = torch.cat((reverse[m:], reverse[:m].flip(0)))
    torch.testing.assert_close(gradient, swapped, rtol=0, atol=1e-4 * math.sqrt(scale))
    assert xy > -1e-9 * scale


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 30),
    m=st.integers(1, 30),
    log_share=st.floats(-4, 4),
    log_scale=st.floats(-4, 4),
    log_shift=st.floats(-4, 4),
    outlier=st.booleans(),
)
@example(seed=11, n=7, m=8, log_share=-4, log_scale=0, log_shift=0, outlier=False)
def test_always_finite_in_float32(seed, n, m, log_share, log_scale, log_shift, outlier):
    x = cloud(n, seed, dtype=torch.float32) * 10**log_scale
    y = cloud(m, seed + 1, dtype=torch.float32) + 10**log_shift
    if outlier:
        x[0] *= 1000
    scale = mean_cost(x, y)
    epsilon = 10**log_share * scale
    value, gradient = value_and_gradient(x, y, epsilon=epsilon)
    assert value.isfinite()
    assert gradient.isfinite().all()
    # From the wrong start it may take more steps than allowed: said, and not far off.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        plain, gradient = value_and_gradient(x, y, epsilon=epsilon, annealing=False)
    assert float(plain) == pytest.approx(float(value), abs=0.01 * scale)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("share", [1e-6, 1e-9, 1e-20])
def test_epsilon_below_rounding_stays_finite(share):
    x, y = cloud(30, 0, dtype=torch.float32), cloud(20, 1, dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        value, gradient = value_and_gradient(x, y, epsilon=share, max_iterations=200)
    assert float(value) == pytest.approx(float(exact_ot(x, y, p=2).value), rel=0.05)
    assert gradient.isfinite().all()


def test_same_call_same_bits():
    x, y = mixture(100, 0, 8).float(), cloud(100, 1).float()
    first, gradient = value_and_gradient(x, y, epsilon=0.1)
    again, repeated = value_and_gradient(x, y, epsilon=0.1)
    assert first == again
    assert torch.equal(gradient, repeated)


def test_conditions_are_weighted_coordinates():
    x, y, c, e = cloud(20, 0), cloud(30, 1), cloud(20, 2, d=3), cloud(30, 3, d=3)
    joined = sinkhorn_divergence(
        torch.cat((x, math.sqrt(2.5) * c), 1),
        torch.cat((y, math.sqrt(2.5) * e), 1),
        epsilon=1.0,
    )
    value = sinkhorn_divergence(
        x, y, epsilon=1.0, conditions_x=c, conditions_y=e, condition_weight=2.5
    )
    assert value == joined


def test_mixed_precision_of_the_caller_is_ignored():
    x, y = mixture(50, 0, 8).float(), cloud(50, 1).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = sinkhorn_divergence(x, y, epsilon=0.1)
    assert inside == sinkhorn_divergence(x, y, epsilon=0.1)


# Documented accuracy


@pytest.mark.parametrize("d", [2, 8, 64])
@pytest.mark.parametrize(
    ("share", "gradient_bound"), [(10.0, 5e-3), (0.1, 5e-3), (0.01, 5e-3), (0.001, 2e-2)]
)
def test_documented_error_of_the_default_tolerance(d, share, gradient_bound):
    x, y = mixture(200, 0, d), 0.3 + 1.2 * cloud(200, 1, d=d)
    epsilon = share * mean_cost(x, y)
    exact, slope = value_and_gradient(
        x, y, epsilon=epsilon, tolerance=1e-5, max_iterations=20_000
    )
    for tolerance, factor in ((1e-3, 1), (1e-2, 10)):
        value, gradient = value_and_gradient(
            x.float(), y.float(), epsilon=epsilon, tolerance=tolerance
        )
        assert abs(float(value / exact) - 1) < 2e-4 * factor**2
        assert (gradient - slope).norm() < gradient_bound * factor * slope.norm()


def test_too_few_iterations_warn():
    x, y = mixture(50, 0, 8), cloud(50, 1)
    with pytest.warns(ConvergenceWarning, match="sinkhorn_divergence: marginal error .* raise"):
        sinkhorn_divergence(x, y, epsilon=0.01, max_iterations=3)


# Bad input

X, Y = cloud(4, 0), cloud(5, 1)
BAD = [
    ({"epsilon": -1.0}, "epsilon is -1.0, expected a positive number"),
    ({"epsilon": 0.0}, "epsilon is 0.0, expected a positive number"),
    ({"epsilon": math.nan}, "epsilon is nan"),
    ({"epsilon": 1e-35}, "epsilon is 1e-35 for costs up to .* raise epsilon or look for"),
    ({"x": 1e200 * X}, "epsilon is 1 for costs up to inf"),
    ({"tolerance": 0.0}, "tolerance is 0.0"),
    ({"max_iterations": 0}, "max_iterations is 0"),
    ({"n_iterations": -1}, "n_iterations is -1"),
    ({"y": cloud(5, 1, d=3)}, "x has 8 coordinates and y has 3"),
    ({"y": Y[0]}, r"y has shape \(8,\), expected \(point, coordinate\)"),
    ({"x": X[:0]}, r"x has shape \(0, 8\)"),
    (
        {"y": Y.float()},
        r"x is torch.float64 on cpu and y is torch.float32 on cpu, .* pass y.to\(x\)",
    ),
    ({"x": X.half()}, r"x is torch.float16, .*; pass x.float\(\)"),
    ({"x": X.log()}, "x.* is nan, expected finite"),
    ({"y": Y / 0}, "y.* is -?inf, expected finite"),
    ({"conditions_x": X}, "conditions_y is None, expected both"),
    ({"conditions_y": Y}, "conditions_x is None, expected both"),
    (
        {"conditions_x": X, "conditions_y": Y, "condition_weight": -1.0},
        "condition_weight is -1",
    ),
    ({"conditions_x": Y, "conditions_y": Y}, "x is .4, 8. .* expected one row a point"),
    (
        {"conditions_x": X.float(), "conditions_y": Y.float()},
        "x is .* torch.float64 and its .* one dtype",
    ),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_bad_input_is_refused(changes, message):
    arguments = {"x": X, "y": Y, "epsilon": 1.0} | changes
    with pytest.raises(ValueError, match=f"sinkhorn_divergence.*: {message}"):
        sinkhorn_divergence(**arguments)
