"""Exact optimal transport between two point clouds: the reference for the entropic losses."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
from scipy import optimize, sparse
from torch import Tensor

from ..errors import ConfigError
from .clouds import check_clouds


class ExactTransport(NamedTuple):
    """Result of :func:`exact_ot`.

    Attributes:
        value: :math:`W_p^p`, scalar; :math:`W_p` itself is ``value ** (1 / p)``.
        plan: Coupling, ``(n, m)``, of total mass one; a permutation over n if ``n == m``.
    """

    value: Tensor
    plan: Tensor


def exact_ot(x: Tensor, y: Tensor, p: Literal[1, 2]) -> ExactTransport:
    r"""Exact transport cost between two equally weighted point clouds.

    .. math::
        W_p^p(x, y) = \min_{P \ge 0} \sum_{ij} P_{ij} \lVert x_i - y_j \rVert^p, \quad
            \sum_j P_{ij} = \tfrac{1}{n}, \ \sum_i P_{ij} = \tfrac{1}{m}

    The norm is Euclidean. Nothing is differentiable: this is a reference for tests, figures and
    evaluation. Equal sizes are an assignment problem, a second for 2,000 points; others
    a linear programme in :math:`nm` unknowns, seconds for 200 points. Solved on the CPU in
    float64, exact to rounding.

    Arguments:
        x: First cloud, ``(n, d)``.
        y: Second cloud, ``(m, d)``; same dtype and device as ``x``.
        p: Power of the distance, 1 or 2.

    Returns:
        Value in units of ``x`` to the power ``p``, and plan; dtype and device of ``x``.

    Raises:
        DataFormatError: If the clouds do not fit each other, or are not finite.
        ConfigError: If ``p`` is neither 1 nor 2.

    References:
        | Computational Optimal Transport (Peyré and Cuturi, 2019), equation 2.11
        | https://arxiv.org/abs/1803.00567

    Example:
        >>> x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[4.0], [3.0]])
        >>> exact_ot(x, y, p=1).value
        tensor(3.)
    """
    where = "exact_ot"
    check_clouds(where, x, y)
    if p not in (1, 2):
        msg = f"{where}: p is {p}, expected 1 or 2; take 2 to compare with entropic_ot"
        raise ConfigError(msg)
    cost = torch.cdist(
        x.detach().double().cpu(),
        y.detach().double().cpu(),
        compute_mode="donot_use_mm_for_euclid_dist",
    )
    matrix = (cost**p).numpy()
    plan = _assignment(matrix) if len(x) == len(y) else _programme(matrix)
    value = torch.tensor(float((plan * matrix).sum()), dtype=x.dtype, device=x.device)
    return ExactTransport(value, torch.from_numpy(plan).to(x))


def _assignment(cost: np.ndarray) -> np.ndarray:
    rows, columns = optimize.linear_sum_assignment(cost)
    plan = np.zeros_like(cost)
    plan[rows, columns] = 1 / len(cost)
    return plan


def _programme(cost: np.ndarray) -> np.ndarray:
    n, m = cost.shape
    row_sums = sparse.kron(sparse.eye(n), np.ones((1, m)))
    column_sums = sparse.kron(np.ones((1, n)), sparse.eye(m))
    solution = optimize.linprog(
        cost.ravel(),
        A_eq=sparse.vstack((row_sums, column_sums), format="csr"),
        b_eq=np.concatenate((np.full(n, 1 / n), np.full(m, 1 / m))),
        bounds=(0, None),
        method="highs",
    )
    return np.asarray(solution.x).reshape(n, m)
