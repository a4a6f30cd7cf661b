"""t-SNE: codes of many dimensions as points on a page."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PERPLEXITY = 30.0


def embed(codes: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Points on a page whose neighbours are the neighbours of the codes.

    Arguments:
        codes: ``(n, latent)``, of comparable spread in every dimension; 8 or more.
        rng: Breaks ties, and starts what principal components do not.

    Returns:
        ``(n, 2)``. One or two dimensions are returned as they are.

    References:
        | Visualizing Data using t-SNE (van der Maaten, Hinton, 2008)
        | openTSNE (Policar, Strazar, Zupan, 2024), https://doi.org/10.18637/jss.v109.i03
    """
    n, dim = codes.shape
    if dim <= 2:
        return np.concatenate((codes, np.zeros((n, 2 - dim))), axis=1)
    from openTSNE import TSNE

    # Equal codes (a collapsed encoder) have no neighbours to speak of: a hair's breadth.
    blurred = codes + 1e-6 * rng.standard_normal(codes.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice on perplexity and on its own dependencies
        points = TSNE(
            perplexity=min(PERPLEXITY, (n - 2) / 3),
            initialization="pca",
            neighbors="exact",
            negative_gradient_method="bh",
            n_jobs=1,
            random_state=int(rng.integers(2**31)),
        ).fit(blurred)
    return np.asarray(points, dtype=np.float64)
