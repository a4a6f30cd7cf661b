"""Rules that classifiers are made by: boosted trees and torch networks.

A rule learns from inputs ``(n, feature)`` and labels, and scores other inputs. Nothing here is
a model of showers, and nothing is kept.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Labels = NDArray[np.bool_]


class Examples(NamedTuple):
    """Inputs with their labels."""

    inputs: Array
    generated: Labels


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep OpenMP to one thread: results then do not depend on the machine's cores."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="openmp"):
        yield


def boosted_trees(train: Examples, inputs: Array, seed: int) -> NDArray[np.float64]:
    """Scores of 40 boosted trees with 12 leaves and 63 bins, no early stopping, ``(n,)``."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    if len(np.unique(train.generated)) < 2:
        return np.zeros(len(inputs))
    trees = HistGradientBoostingClassifier(
        max_iter=40,
        max_leaf_nodes=12,
        learning_rate=0.15,
        max_bins=63,
        l2_regularization=10.0,
        min_samples_leaf=20,
        early_stopping=False,
        class_weight="balanced",
        random_state=seed,
    )
    with one_thread():
        trees.fit(train.inputs, train.generated)
        scores: NDArray[np.float64] = trees.decision_function(inputs).astype(np.float64)
    return scores


def small_network(
    train: Examples, inputs: Array, seed: int, *, n_cells: int = 0
) -> NDArray[np.float64]:
    """Scores of a network of 64 and 32 units, ``(n,)``.

    Inputs are standardised by the training showers; SiLU, dropout 0.2, AdamW with learning rate
    2e-3 and weight decay 1e-2, batches of 256, about 300 steps, at least four passes.
    """
    import torch
    from torch import nn

    if len(np.unique(train.generated)) < 2:
        return np.zeros(len(inputs))
    scale = _Scaling(train.inputs, n_cells)
    with _seeded(seed), one_thread():
        network = nn.Sequential(
            nn.Linear(train.inputs.shape[1], 64),
            nn.SiLU(),
            nn.Dropout(0.2),
            nn.Linear(64, 32),
            nn.SiLU(),
            nn.Linear(32, 1),
        )
        optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
        rng = np.random.default_rng(seed)
        weight = _balance(train.generated)
        for _ in range(_steps(len(train.inputs))):
            rows = rng.integers(0, len(train.inputs), 256)
            loss = _loss(network, scale(train.inputs[rows]), train.generated[rows], weight)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        network.eval()
        return _scores(network, scale, inputs)


def challenge_network(
    train: Examples, validation: Examples, inputs: Array, seed: int, *, epochs: int = 50
) -> NDArray[np.float64]:
    """Scores of the CaloChallenge's classifier, ``(n,)``.

    Two hidden layers of 2048 units, LeakyReLU, Adam with learning rate 2e-4, batches of 1000,
    50 epochs, the epoch with the best accuracy on the validation showers. Inputs are
    standardised by the training showers.
    """
    import torch
    from torch import nn

    if len(np.unique(train.generated)) < 2:
        return np.zeros(len(inputs))
    scale = _Scaling(train.inputs)
    with _seeded(seed), one_thread():
        network = nn.Sequential(
            nn.Linear(train.inputs.shape[1], 2048),
            nn.LeakyReLU(),
            nn.Linear(2048, 2048),
            nn.LeakyReLU(),
            nn.Linear(2048, 1),
        )
        optimiser = torch.optim.Adam(network.parameters(), lr=2e-4)
        rng = np.random.default_rng(seed)
        best, kept = -1.0, {k: v.clone() for k, v in network.state_dict().items()}
        weight = _balance(train.generated)
        for _ in range(epochs):
            order = rng.permutation(len(train.inputs))
            for first in range(0, len(order), 1000):
                rows = order[first : first + 1000]
                loss = _loss(network, scale(train.inputs[rows]), train.generated[rows], weight)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            right = (_scores(network, scale, validation.inputs) > 0) == validation.generated
            accuracy = float(right.mean()) if right.size else 0.0
            if accuracy > best:
                best = accuracy
                kept = {k: v.clone() for k, v in network.state_dict().items()}
        network.load_state_dict(kept)
        return _scores(network, scale, inputs)


def _steps(n: int) -> int:
    """300 steps of 256, fewer for less than 1,300 showers, four passes for more than 19,000."""
    return max(50, min(300, 60 * n // 256), 4 * n // 256)


class _Scaling:
    """Standardise by (2,000 of) the training inputs; constant columns are only centred.

    The first ``n_cells`` columns share one scale, and count as 16 columns in all: else
    thousands of cells that are hardly ever lit would drown what stands beside them.
    """

    def __init__(self, inputs: Array, n_cells: int = 0) -> None:
        few = inputs[:: max(1, len(inputs) // 2000)].astype(np.float64)
        self._mean = few.mean(axis=0).astype(np.float32)
        spread = few.std(axis=0).astype(np.float32)
        if n_cells:
            spread[:n_cells] = np.sqrt((spread[:n_cells] ** 2).sum() / 16)
        self._spread = np.where(spread > 1e-6, spread, np.float32(1.0))

    def __call__(self, inputs: Array) -> torch.Tensor:
        import torch

        # A cell that is nearly never lit in training must not blow up a score.
        return torch.from_numpy(np.clip((inputs - self._mean) / self._spread, -10, 10))


def _balance(generated: Labels) -> tuple[float, float]:
    share = float(generated.mean())
    return 0.5 / (1 - share), 0.5 / share


def _loss(
    network: torch.nn.Module,
    inputs: torch.Tensor,
    generated: Labels,
    weight: tuple[float, float],
) -> torch.Tensor:
    import torch

    weights = torch.from_numpy(np.where(generated, weight[1], weight[0]).astype(np.float32))
    labels = torch.from_numpy(generated.astype(np.float32))
    return torch.nn.functional.binary_cross_entropy_with_logits(
        network(inputs)[:, 0], labels, weight=weights
    )


def _scores(network: torch.nn.Module, scale: _Scaling, inputs: Array) -> NDArray[np.float64]:
    import torch

    scores = np.empty(len(inputs))
    with torch.no_grad():
        for first in range(0, len(inputs), 1000):
            part = slice(first, first + 1000)
            scores[part] = network(scale(inputs[part]))[:, 0].double().numpy()
    return scores


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch's initialisation and dropout, and leave its global state as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
