"""The numbers of the e2e study, on codes and plans with a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from validation import e2e_codes

from caloforge.losses.sinkhorn import sinkhorn_divergence


@pytest.fixture
def rng() -> torch.Generator:
    torch.set_num_threads(1)
    return torch.Generator().manual_seed(0)


def normal(*shape: int, rng: torch.Generator) -> torch.Tensor:
    return torch.randn(shape, generator=rng, dtype=torch.float64)


class TestPlans:
    def test_a_large_condition_weight_pairs_each_code_with_its_own(
        self, rng: torch.Generator
    ) -> None:
        codes, made, conditions = (normal(40, 3, rng=rng) for _ in range(3))
        particle = torch.arange(40)
        share = {}
        for weight in (0.0, 100.0):
            plan = e2e_codes.transport_plan(
                codes, made, conditions, epsilon=0.05, condition_weight=weight, n_iterations=0
            )
            share[weight] = e2e_codes.own_share(plan, particle, particle)
        assert share[100.0] > 0.999
        assert share[0.0] < 0.2

    def test_own_share_of_the_independent_plan_is_chance(self) -> None:
        particle = torch.tensor([0, 0, 1, 2])
        plan = torch.full((4, 4), 1 / 16)
        assert e2e_codes.own_share(plan, particle, particle) == pytest.approx(6 / 16)

    def test_partners_count_the_points_of_a_row(self) -> None:
        assert e2e_codes.partners(torch.eye(5) / 5) == pytest.approx(1)
        assert e2e_codes.partners(torch.full((5, 8), 1 / 40)) == pytest.approx(8)

    @pytest.mark.parametrize("n_iterations", [0, 2, 7])
    def test_truncated_plan_makes_the_gradient_of_the_truncated_loss(
        self, n_iterations: int, rng: torch.Generator
    ) -> None:
        x, y = normal(30, 4, rng=rng).requires_grad_(), normal(25, 4, rng=rng) + 1
        loss = sinkhorn_divergence(x, y, epsilon=0.3, n_iterations=n_iterations)
        (gradient,) = torch.autograd.grad(loss, x)
        with torch.no_grad():
            images = [
                len(x) * e2e_codes.truncated_plan(x, other, 0.3, n_iterations) @ other
                for other in (x, y)
            ]
        torch.testing.assert_close(gradient, 2 / len(x) * (images[0] - images[1]))


class TestTruncation:
    def test_many_iterations_reach_convergence(self, rng: torch.Generator) -> None:
        codes, made, conditions = (normal(32, 2, rng=rng) for _ in range(3))
        few, many = e2e_codes.truncation(
            codes,
            made + 1,
            conditions,
            epsilon=0.5,
            condition_weight=0.1,
            iterations=[2, 3000],
        )
        assert many == pytest.approx((1, 0, 1, 1), abs=2e-3)
        assert few.error > 10 * many.error


class TestNoise:
    def test_sensitivity_and_rank_of_a_linear_generator(self, rng: torch.Generator) -> None:
        matrix = torch.zeros(4, 6, dtype=torch.float64)
        matrix[0, 0], matrix[1, 1], matrix[2, 2] = 2, 2, 1
        made = e2e_codes.jacobians(
            lambda c, z: z @ matrix.T + c, normal(9, 4, rng=rng), normal(9, 6, rng=rng)
        )
        torch.testing.assert_close(made, matrix.expand(9, 4, 6))
        assert e2e_codes.sensitivity(made).tolist() == pytest.approx([2, 2, 1, 0, 0, 0])
        # Variances 4, 4, 1: 81 / 33.
        assert e2e_codes.effective_rank(made) == pytest.approx(81 / 33)

    def test_jacobian_of_a_curved_generator(self) -> None:
        noise = torch.tensor([[0.5, 2.0]], dtype=torch.float64)
        made = e2e_codes.jacobians(
            lambda _, z: torch.stack((z[:, 0] * z[:, 1], z[:, 1] ** 3), dim=1), noise, noise
        )
        assert made.tolist() == [[[2.0, 0.5], [0.0, 12.0]]]

    def test_participation_counts_equal_directions(self) -> None:
        assert e2e_codes.participation(torch.tensor([3.0, 3.0, 0.0, 0.0])) == pytest.approx(2)


class TestShapes:
    def test_energy_distance_of_shifted_and_equal_clouds(self, rng: torch.Generator) -> None:
        x, y = normal(1500, 2, rng=rng), normal(1500, 2, rng=rng)
        assert abs(e2e_codes.energy_distance(x, y)) < 0.01
        # Far apart, twice the distance minus the spread of each cloud, sqrt(pi).
        far = e2e_codes.energy_distance(x, y + torch.tensor([100.0, 0.0]))
        assert far == pytest.approx(200 - 2 * math.sqrt(math.pi), rel=2e-3)

    def test_matched_rows_do_not_count_as_near(self, rng: torch.Generator) -> None:
        centres = 10 * normal(60, 2, rng=rng)
        found = [
            [
                e2e_codes.energy_distance(
                    centres + 0.1 * normal(60, 2, rng=rng),
                    centres + 0.1 * normal(60, 2, rng=rng),
                    matched=matched,
                )
                for _ in range(20)
            ]
            for matched in (True, False)
        ]
        assert abs(sum(found[0]) / 20) < 0.02
        assert sum(found[1]) / 20 < -0.3

    def test_errors_of_the_coefficient_are_its_scatter_over_repetitions(
        self, rng: torch.Generator
    ) -> None:
        # 60 particles with one shower, 30 with two, which are nearer to each other.
        particle = torch.cat((torch.arange(60), torch.arange(60, 90).repeat_interleave(2)))

        def clouds(shift: float) -> tuple[torch.Tensor, torch.Tensor]:
            centres = normal(90, 2, rng=rng)[particle]
            x, y = (centres + 0.7 * normal(120, 2, rng=rng) for _ in range(2))
            return x, y + shift

        halves = np.random.default_rng(0)
        ratios = {}
        for shift in (0.0, 1.5):
            true = np.std([e2e_codes.coefficient(*clouds(shift)) for _ in range(400)])
            given = [
                (
                    e2e_codes.coefficient_error(x, y, particle.numpy(), halves),
                    e2e_codes.scatter_if_equal(x, y, particle.numpy()),
                )
                for x, y in (clouds(shift) for _ in range(12))
            ]
            ratios[shift] = np.mean(given, axis=0) / true
        assert ratios[1.5][0] == pytest.approx(1, abs=0.15)
        assert ratios[0.0][1] == pytest.approx(1, abs=0.15)
        # Of equal clouds, halves scatter by the root of 3 more than all: as documented.
        assert ratios[0.0][0] == pytest.approx(math.sqrt(3), abs=0.25)

    def test_moments_of_an_exponential_law(self, rng: torch.Generator) -> None:
        uniform = torch.rand(400_000, 1, generator=rng, dtype=torch.float64)
        skewness, kurtosis = e2e_codes.shape_moments(-uniform.log())
        assert float(skewness) == pytest.approx(2, abs=0.05)
        assert float(kurtosis) == pytest.approx(6, abs=0.7)

    def test_spread_within_a_particle(self, rng: torch.Generator) -> None:
        centres = 10 * normal(4000, 3, rng=rng)
        first, second = (centres + 0.5 * normal(4000, 3, rng=rng) for _ in range(2))
        assert e2e_codes.within_spread(first, second) == pytest.approx(0.5, rel=0.03)
