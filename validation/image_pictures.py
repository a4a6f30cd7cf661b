"""Pictures of the image studies: generated images by class, interpolations, faces."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import torch
from image_study import labels

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from image_study import Study

    from caloforge.training.bundle import Bundle

A_CLASS = 6  # images of each digit and model
STEPS = 8  # pictures of an interpolation, ends included
# From digit to digit: within a class, and between classes.
WAYS = ((2, 2), (7, 7), (0, 6), (4, 9), (3, 8))
FACES = 12
GAP = 3  # pixels between pictures


def draw_classes(study: Study, models: dict[str, str], seed: int, path: Path) -> None:
    """Real digits and those of every model: a block each, a digit a row, nothing picked out."""
    from caloforge.generation.simulation import load

    of = labels(study.test.particles)
    rows = np.concatenate([np.flatnonzero(of == digit)[:A_CLASS] for digit in range(10)])
    wanted = study.test.particles.select(rows)
    blocks = {"test digits": study.test.showers[rows]}
    for run, name in models.items():
        blocks[name] = load(study.bundle(run, seed)).generate(wanted, seed=seed).showers
    upright = study.test.geometry.layout.upright
    _draw(
        {name: _sheet(upright(images), A_CLASS) for name, images in blocks.items()},
        path,
        columns=len(blocks),
        width=2.0,
    )


def draw_interpolations(study: Study, models: dict[str, str], seed: int, path: Path) -> None:
    """Ways between two test digits by their codes; without an encoder, between two noises."""
    from caloforge.training.bundle import read_bundle

    of = labels(study.test.particles)
    # The first two digits of the class, or the first of each.
    ends = np.array(
        [
            np.flatnonzero(of == a)[:2]
            if a == b
            else (np.flatnonzero(of == a)[0], np.flatnonzero(of == b)[0])
            for a, b in WAYS
        ]
    )
    upright = study.test.geometry.layout.upright
    blocks, framed = {}, {}
    for run, name in models.items():
        bundle = read_bundle(study.bundle(run, seed))
        flat = [_way(study, bundle, pair, seed) for pair in ends]
        encodes = hasattr(bundle.model, "encode")
        title = f"{name}: between two {'digits' if encodes else 'noises'}"
        blocks[title] = _sheet(upright(np.concatenate(flat)), STEPS + 2)
        if encodes:
            framed[title] = study.test.geometry.layout.cells[0]
    _draw(blocks, path, columns=2, width=3.6, framed=framed)


def _way(study: Study, bundle: Bundle, pair: np.ndarray, seed: int) -> np.ndarray:
    """Images along a straight line of codes between their inputs, ``(picture, cell)``.

    Noises go along the sphere, where normal noise lies, and have no inputs. Conditions go
    along a straight line.
    """
    particles = study.test.particles.select(pair)
    images = study.test.showers[pair]
    conditions = torch.from_numpy(bundle.conditions.scaled(particles, bundle.geometry))
    model = bundle.model
    encodes = hasattr(model, "encode")
    way = torch.linspace(0, 1, STEPS if encodes else STEPS + 2)[:, None]
    passed = (1 - way) * conditions[:1] + way * conditions[1:]
    with torch.no_grad():
        if encodes:
            codes = model.encode(torch.from_numpy(images.astype(np.float32)), conditions)
            cells = model.decode((1 - way) * codes[:1] + way * codes[1:], passed).numpy()
            return np.concatenate((images[:1], cells, images[1:]))
        rng = torch.Generator().manual_seed(seed)
        noise = torch.randn((2, model.noise_dim), generator=rng)
        angle = way * torch.pi / 2
        return model.sample(passed, angle.cos() * noise[:1] + angle.sin() * noise[1:]).numpy()


def draw_faces(study: Study, models: dict[str, str], seed: int, path: Path) -> None:
    """Held-out faces and those of every model, a row each."""
    from caloforge.generation.simulation import load

    rows = np.arange(min(FACES, len(study.test)))
    blocks = {"held-out faces": study.test.showers[rows]}
    for run, name in models.items():
        if (study.bundle(run, seed) / "bundle.json").is_file():
            wanted = study.test.particles.select(rows)
            blocks[name] = load(study.bundle(run, seed)).generate(wanted, seed=seed).showers
    upright = study.test.geometry.layout.upright
    sheets = {
        name: _sheet(upright(images), len(rows), ground=255) for name, images in blocks.items()
    }
    _draw(sheets, path, columns=1, width=9.0, inverted=False)


def _sheet(pictures: np.ndarray, columns: int, ground: float = 0.0) -> np.ndarray:
    """Pictures ``(n, row, column[, colour])`` side by side, row after row, as one."""
    n, height, width, *colours = pictures.shape
    rows = -(-n // columns)
    shape = (rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, *colours)
    sheet = np.full(shape, ground)
    for k, picture in enumerate(pictures):
        top, left = (k // columns) * (height + GAP), (k % columns) * (width + GAP)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def _draw(
    sheets: dict[str, np.ndarray],
    path: Path,
    *,
    columns: int,
    width: float,
    inverted: bool = True,
    framed: Mapping[str, int] = MappingProxyType({}),
) -> None:
    """Draw sheets with their titles, ink on paper if inverted.

    A line sets the first and the last picture of each row apart where a sheet is framed: the
    width of a picture, by title.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(sheets) // columns)
    height, across = next(iter(sheets.values())).shape[:2]
    high = width * height / across + 0.28
    figure = Figure(figsize=(width * columns, high * rows), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.03)
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, (title, sheet) in zip(axes, sheets.items(), strict=False):
        if title in framed:
            for x in (framed[title] + GAP / 2, sheet.shape[1] - framed[title] - GAP / 2):
                ax.axvline(x - 0.5, color="tab:orange", linewidth=1.2)
        shown = np.clip(sheet / 255, 0, 1)
        ax.imshow(
            1 - shown if inverted else shown,
            cmap="gray",
            vmin=0,
            vmax=1,
            interpolation="nearest",
        )
        ax.set_title(title, fontsize=9)
    for ax in axes:
        ax.axis("off")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
