"""Features from a user's own network, an ONNX file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import ConfigError, DataFormatError, MissingExtraError
from caloforge.geometry import GridLayout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from caloforge.geometry import DetectorGeometry

    Array = NDArray[np.float64]

_BATCH = 500


def onnx_features(
    path: Path, samples: Sequence[NDArray[Any]], geometry: DetectorGeometry
) -> list[Array]:
    """Features of several samples, in batches of 500 showers on one thread.

    The network has one float32 input: showers in the cells' unit, ``(batch, cell)``, or for a
    grid ``(batch, x, y)`` or ``(batch, 1, x, y)``. Pictures (cells with a largest value) come
    upright, as ``(batch, plane, row, column)``, with values from 0 to that largest one. Its
    first output are the features, one row a shower; the batch must be of free size.

    Arguments:
        path: ONNX file.
        samples: Showers ``(n, cell)`` of each sample.
        geometry: Their cells.

    Raises:
        MissingExtraError: If onnxruntime is not installed.
        ConfigError: If there is no such file, or its input fits no shower of this detector.
        DataFormatError: If it is no ONNX network, fails, or returns something else.
    """
    try:
        import onnxruntime
    except ImportError as error:
        msg = (
            f"{path}: found no onnxruntime, expected it for a network of your own; install "
            "caloforge[onnx]"
        )
        raise MissingExtraError(msg) from error
    if not path.is_file():
        msg = f"{path}: found no such file, expected an ONNX network; check the path"
        raise ConfigError(msg)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            path, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has a class for each code, without a common base
        msg = (
            f"{path}: found no network that onnxruntime can load ({_first_line(error)}), "
            "expected an ONNX file; export it again"
        )
        raise DataFormatError(msg) from error
    name, shape = _input(session, geometry, path)
    return [_run(session, name, shape, geometry, showers, path) for showers in samples]


def _input(
    session: Any,  # noqa: ANN401 - onnxruntime has no types
    geometry: DetectorGeometry,
    path: Path,
) -> tuple[str, tuple[int, ...]]:
    """Name of the input, and its shape without the batch."""
    inputs = session.get_inputs()
    shapes: list[tuple[int, ...]] = [(geometry.n_cells,)]
    if isinstance(geometry.layout, GridLayout):
        planes, cells = geometry.layout.planes, geometry.layout.cells
        if geometry.maximum is not None:
            cells = (cells[1], cells[0])
        shapes += [cells] if planes == 1 else []
        shapes.append((planes, *cells))
    for shape in shapes:
        if len(inputs) == 1 and inputs[0].type == "tensor(float)":
            found = inputs[0].shape
            free = len(found) == len(shape) + 1 and not isinstance(found[0], int)
            pairs = zip(found[1:], shape, strict=False)
            if free and all(not isinstance(size, int) or size == n for size, n in pairs):
                return str(inputs[0].name), shape
    described = ", ".join(f"{one.type} {one.shape}" for one in inputs)
    wanted = " or ".join(str(("batch", *shape)).replace("'", "") for shape in shapes)
    msg = (
        f"{path}: found input {described}, expected one of float, {wanted} with a free batch, "
        f"for detector '{geometry.name}'; export it with such an input"
    )
    raise ConfigError(msg)


def _run(
    session: Any,  # noqa: ANN401 - onnxruntime has no types
    name: str,
    shape: tuple[int, ...],
    geometry: DetectorGeometry,
    showers: NDArray[Any],
    path: Path,
) -> Array:
    parts = []
    for start in range(0, len(showers), _BATCH):
        batch = np.asarray(showers[start : start + _BATCH], dtype=np.float32)
        try:
            shown = _shown(batch, shape, geometry)
            output = np.asarray(session.run(None, {name: shown})[0])
        except Exception as error:  # as above
            msg = (
                f"{path}: found a network that fails on showers ({_first_line(error)}), "
                "expected features; test it on a batch of 1 and of 500"
            )
            raise DataFormatError(msg) from error
        if output.ndim < 2 or len(output) != len(batch) or not output.size:
            msg = (
                f"{path}: found output of shape {output.shape} for {len(batch)} showers, "
                "expected (batch, feature) as first output; export the features"
            )
            raise DataFormatError(msg)
        features = output.reshape(len(batch), -1).astype(np.float64)
        if not np.isfinite(features).all():
            msg = (
                f"{path}: found features that are not finite, expected numbers; mind empty "
                "showers (all cells 0)"
            )
            raise DataFormatError(msg)
        parts.append(features)
    return np.concatenate(parts)


def _shown(
    showers: NDArray[np.float32], shape: tuple[int, ...], geometry: DetectorGeometry
) -> NDArray[np.float32]:
    """Showers in the shape of the input; pictures upright."""
    layout = geometry.layout
    if isinstance(layout, GridLayout) and geometry.maximum is not None and len(shape) > 1:
        upright = layout.upright(showers)
        showers = upright if layout.planes == 1 else upright.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(showers.reshape(len(showers), *shape))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:160] if str(error).strip() else "no reason"
