"""Energy score: is a cloud of samples the distribution that one observation came from?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

# Keeps the gradient of a distance finite where two points coincide.
_TINY = 1e-12


def energy_score(observed: Tensor, sampled: Tensor) -> Tensor:
    r"""Energy score of samples that were drawn for each observation.

    .. math::
        \frac{1}{m} \sum_j \lVert x - y_j \rVert
            - \frac{1}{2 m (m - 1)} \sum_{j \neq k} \lVert y_j - y_k \rVert

    Euclidean norms, mean over the batch. It is strictly proper: in expectation over
    observations of one condition it is smallest when the samples have the distribution of the
    observations *of that condition*, and one observation a condition is enough. It is thus
    the energy distance, within each condition, up to a constant. The estimate is unbiased.

    Arguments:
        observed: One point a condition, ``(batch, d)``.
        sampled: ``m >= 2`` independent draws for the same conditions, ``(batch, m, d)``.

    Returns:
        Scalar, in units of the points.

    Raises:
        ValueError: If the shapes do not fit, or there are fewer than two draws.

    References:
        | Strictly Proper Scoring Rules, Prediction, and Estimation (Gneiting and Raftery,
        | 2007), equation 22, https://doi.org/10.1198/016214506000001437
    """
    if sampled.ndim != 3 or sampled[:, 0].shape != observed.shape or sampled.shape[1] < 2:
        msg = (
            f"energy_score: found {tuple(observed.shape)} and {tuple(sampled.shape)}, expected "
            "(batch, d) and (batch, m, d) with m of 2 or more"
        )
        raise ValueError(msg)
    to_observed = (sampled - observed[:, None]).square().sum(dim=2).add(_TINY).sqrt().mean()
    first, second = torch.triu_indices(
        sampled.shape[1], sampled.shape[1], offset=1, device=sampled.device
    )
    between = (sampled[:, first] - sampled[:, second]).square().sum(dim=2).add(_TINY).sqrt()
    return to_observed - between.mean() / 2
