"""Draw ``transport-plan.png``: an exact against soft transport plans between two clouds.

Run ``python docs/figures/transport_plan.py``. Top: 24 points in the plane, each pair joined by
a line as dark as the mass that the plan sends along it. Bottom: plans of 80 points in one
dimension, in order, as matrices, each with a colour scale of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import torch
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection
from matplotlib.colors import PowerNorm
from torch import Tensor

from caloforge.losses.entropic import entropic_ot
from caloforge.losses.exact import exact_ot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHARES = (0.01, 0.1, 1.0)  # epsilon over the mean cost
X_COLOUR, Y_COLOUR = "#0072b2", "#d55e00"


def plane() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(4)
    x = torch.randn(24, 2, generator=rng, dtype=torch.float64) * torch.tensor([0.45, 0.8])
    angle = torch.linspace(-1.3, 1.3, 24, dtype=torch.float64)
    y = torch.stack((1.0 + 2.0 * angle.cos(), 1.9 * angle.sin()), dim=1)
    return x, y + 0.12 * torch.randn(24, 2, generator=rng, dtype=torch.float64)


def line() -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(1)
    normal = torch.randn(80, 2, generator=rng, dtype=torch.float64)
    x = 0.6 * normal[:, 0] - 1
    y = 0.35 * normal[:, 1] + torch.where(torch.arange(80) < 48, 0.0, 2.2)
    return x.sort().values[:, None], y.sort().values[:, None]


def plans(x: Tensor, y: Tensor) -> list[tuple[Tensor, float]]:
    """Plan and transport cost <P, C>, exact and then at each epsilon."""
    cost = torch.cdist(x, y).square()
    found = [exact_ot(x, y, p=2).plan]
    found += [entropic_ot(x, y, epsilon=s * float(cost.mean())).plan for s in SHARES]
    return [(plan, float((plan * cost).sum())) for plan in found]


def draw_lines(ax: Axes, x: Tensor, y: Tensor, plan: Tensor) -> None:
    share = (plan * len(x)).clamp(max=1)
    pairs = (share > 5e-3).nonzero().tolist()
    segments = [[x[i].tolist(), y[j].tolist()] for i, j in pairs]
    alphas = [min(1.0, 1.1 * float(share[i, j]) ** 0.8) for i, j in pairs]
    colours = [(0.15, 0.15, 0.15, alpha) for alpha in alphas]
    ax.add_collection(LineCollection(segments, colors=colours, linewidths=1.1, zorder=1))
    ax.scatter(*x.T, s=22, color=X_COLOUR, edgecolor="white", linewidth=0.5, zorder=2)
    ax.scatter(*y.T, s=22, color=Y_COLOUR, edgecolor="white", linewidth=0.5, zorder=2)
    ax.set(aspect="equal", xticks=[], yticks=[])
    ax.margins(0.08)


def main() -> None:
    torch.set_num_threads(1)
    mpl.use("agg")
    plt.rcParams.update({"font.size": 10, "axes.titlesize": 11, "mathtext.fontset": "cm"})
    titles = ["exact"] + [rf"$\varepsilon = {share:g}\ \overline{{C}}$" for share in SHARES]
    figure, axes = plt.subplots(2, 4, figsize=(10.4, 5.6), layout="constrained")

    x, y = plane()
    for ax, title, (plan, cost) in zip(axes[0], titles, plans(x, y), strict=True):
        draw_lines(ax, x, y, plan)
        ax.set_title(title)
        ax.set_xlabel(rf"$\langle R, C \rangle = {cost:.2f}$")
    axes[0, 0].set_ylabel("plane")

    x, y = line()
    solved = plans(x, y)
    first = solved[0][0]
    for ax, (plan, cost) in zip(axes[1], solved, strict=True):
        # The few darkest entries, at the ends, would hide the rest of a soft plan.
        top = float(plan.flatten().quantile(0.99)) if plan is not first else float(plan.max())
        ax.imshow(plan, cmap="Blues", origin="lower", norm=PowerNorm(0.75, 0, top))
        ax.set(xticks=[], yticks=[])
        ax.set_xlabel(rf"$y_j$ in order;  $\langle R, C \rangle = {cost:.2f}$", color="0.1")
    axes[1, 0].set_ylabel(r"line: $x_i$ in order")

    for ax in axes.flat:
        for spine in ax.spines.values():
            spine.set_color("0.6")
    figure.savefig(Path(__file__).with_name("transport-plan.png"), dpi=150)


if __name__ == "__main__":
    main()
