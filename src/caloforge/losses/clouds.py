"""Point clouds on their way into an optimal transport loss: checked, joined with conditions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import ConfigError, DataFormatError


def check_clouds(where: str, x: Tensor, y: Tensor) -> None:
    """Refuse clouds that cannot be compared.

    Arguments:
        where: Public function, for the message.
        x: First cloud, expected ``(n, d)``.
        y: Second cloud, expected ``(m, d)``, of the same dtype and device.

    Raises:
        DataFormatError: On a wrong shape, an empty cloud, a dtype other than float32 and
            float64, a difference in dimension, dtype or device, or a value that is not finite.
    """
    for name, cloud in (("x", x), ("y", y)):
        if cloud.ndim != 2 or 0 in cloud.shape:
            msg = (
                f"{where}: {name} has shape {tuple(cloud.shape)}, expected (point, coordinate) "
                "with at least one of each; flatten the coordinates of a point"
            )
            raise DataFormatError(msg)
        if cloud.dtype not in (torch.float32, torch.float64):
            msg = (
                f"{where}: {name} is {cloud.dtype}, expected torch.float32 or torch.float64; "
                f"pass {name}.float()"
            )
            raise DataFormatError(msg)
    if x.shape[1] != y.shape[1]:
        msg = (
            f"{where}: x has {x.shape[1]} coordinates and y has {y.shape[1]}, expected "
            "as many; compare points of one space"
        )
        raise DataFormatError(msg)
    if x.dtype != y.dtype or x.device != y.device:
        msg = (
            f"{where}: x is {x.dtype} on {x.device} and y is {y.dtype} on {y.device}, expected "
            "one dtype and device; pass y.to(x)"
        )
        raise DataFormatError(msg)
    for name, cloud in (("x", x), ("y", y)):
        finite = cloud.detach().isfinite()
        if not finite.all():
            row, column = (~finite).nonzero()[0].tolist()
            msg = (
                f"{where}: {name}[{row}, {column}] is {float(cloud[row, column])}, expected "
                "finite coordinates; look for a diverged network or a logarithm of zero"
            )
            raise DataFormatError(msg)


def check_positive(where: str, name: str, value: float, cure: str) -> None:
    """Refuse an option that is not a positive, finite number.

    Raises:
        ConfigError: If ``value`` is not.
    """
    if not (math.isfinite(value) and value > 0):
        msg = f"{where}: {name} is {value}, expected a positive number; {cure}"
        raise ConfigError(msg)


def join_conditions(
    where: str,
    x: Tensor,
    y: Tensor,
    conditions_x: Tensor | None,
    conditions_y: Tensor | None,
    weight: float,
) -> tuple[Tensor, Tensor]:
    r"""Append :math:`\sqrt{w} c` to each point, which adds :math:`w |c_x - c_y|^2` to the cost.

    Arguments:
        where: Public function, for the message.
        x: First cloud, ``(n, d)``.
        y: Second cloud, ``(m, d)``.
        conditions_x: Conditions of the first cloud, ``(n, k)``, or ``None`` for none.
        conditions_y: Conditions of the second cloud, ``(m, k)``; ``None`` with the other.
        weight: Factor :math:`w` of their squared distance.

    Returns:
        Both clouds, ``(n, d + k)`` and ``(m, d + k)``; as given if there are no conditions or
        they have no coordinate.

    Raises:
        DataFormatError: If one comes without the other, or not one row a point.
        ConfigError: If ``weight`` is negative or not finite.
    """
    if conditions_x is None and conditions_y is None:
        return x, y
    if conditions_x is None or conditions_y is None:
        missing = "conditions_x" if conditions_x is None else "conditions_y"
        msg = f"{where}: {missing} is None, expected both conditions or neither; pass {missing}"
        raise DataFormatError(msg)
    if not (math.isfinite(weight) and weight >= 0):
        msg = (
            f"{where}: condition_weight is {weight}, expected zero or a positive number; scale "
            "the conditions to unit variance and start at 1"
        )
        raise ConfigError(msg)
    if conditions_x.shape[1:] == conditions_y.shape[1:] == (0,):
        return x, y
    check_clouds(f"{where}, conditions as clouds", conditions_x, conditions_y)
    joined = []
    for name, cloud, conditions in (("x", x, conditions_x), ("y", y, conditions_y)):
        if len(cloud) != len(conditions) or cloud.dtype != conditions.dtype:
            msg = (
                f"{where}: {name} is {tuple(cloud.shape)} {cloud.dtype} and its conditions "
                f"are {tuple(conditions.shape)} {conditions.dtype}, expected one row a point "
                "and one dtype; pass the conditions of these very points"
            )
            raise DataFormatError(msg)
        joined.append(torch.cat((cloud, math.sqrt(weight) * conditions), dim=1))
    return joined[0], joined[1]


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances of all pairs, ``(n, d), (m, d) -> (n, m)``, by norms and products."""
    squares = x.square().sum(dim=1)[:, None] + y.square().sum(dim=1)[None]
    return (squares - 2 * x @ y.T).clamp_min(0)
