"""What a trained autoencoder's codes are like, measured on validation showers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from e2e_codes import (
    coefficient,
    coefficient_error,
    effective_rank,
    jacobians,
    own_share,
    participation,
    partners,
    scatter_if_equal,
    sensitivity,
    shape_moments,
    transport_plan,
    truncation,
    within_spread,
)

from caloforge.data.derived import impact_cm
from caloforge.explain.particles import swept
from caloforge.explain.subject import Subject
from caloforge.generation.simulation import load
from caloforge.training.preparation import prepare

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from caloforge.data import Particles

BATCH, N_BATCHES, DRAWS = 256, 4, 8
GROUP = {"kind": "n", "energy": (60.0, 160.0)}
KINDS = ("n", "gamma", "p")
ENERGIES = (10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)


def subject(bundle: Path) -> Subject:
    """A trained model with its validation showers."""
    simulation = load(bundle)
    return Subject(simulation, prepare(simulation.bundle.run).validation.sample)


def tensors(one: Subject, rng: np.random.Generator) -> tuple[torch.Tensor, ...]:
    """Codes as training matches them, generated ones, conditions, particle of each shower."""
    particles = one.sample.particles
    n = len(particles)
    return (
        torch.from_numpy(one.encoded(np.arange(n), rng)),
        torch.from_numpy(one.drawn_codes(particles, one.noise(n, rng))),
        torch.from_numpy(one.bundle.conditions.scaled(particles, one.geometry)),
        torch.from_numpy(one.particle),
    )


def pair_rows(particle: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of the particles with two showers, ``(particle, 2)``."""
    counts = np.bincount(particle)
    twice = np.flatnonzero(counts[particle] == 2)
    return twice[np.argsort(particle[twice], kind="stable")].reshape(-1, 2)


def code_figures(bundle: Path) -> dict:
    """How codes are matched: the plan of the model's own loss, spread within a particle."""
    one = subject(bundle)
    rng = np.random.default_rng(0)
    codes, generated, conditions, particle = tensors(one, rng)
    pairs = pair_rows(one.particle)
    draws = np.stack(
        [
            one.drawn_codes(one.sample.particles, one.noise(len(one.sample), rng))
            for _ in range(DRAWS)
        ]
    )
    found = {
        "spread of codes": float(codes.std(dim=0).square().mean().sqrt()),
        "spread within a particle": within_spread(codes[pairs[:, 0]], codes[pairs[:, 1]]),
        "generated within a particle": float(np.sqrt(draws.var(axis=0, ddof=1).mean())),
        "dimensions": participation(_variances(torch.from_numpy(_probable(one)))),
        "dimensions generated": participation(_variances(generated)),
    }
    settings = one.bundle.run.model
    if hasattr(settings, "sinkhorn_weight"):
        order = rng.permutation(len(codes))
        shares, numbers, chances = [], [], []
        for rows in order[: BATCH * N_BATCHES].reshape(N_BATCHES, BATCH):
            plan = transport_plan(
                codes[rows], generated[rows], conditions[rows], epsilon=settings.epsilon,
                condition_weight=settings.condition_weight,
                n_iterations=settings.sinkhorn_iterations,
            )  # fmt: skip
            shares.append(own_share(plan, particle[rows], particle[rows]))
            numbers.append(partners(plan))
            flat = torch.ones_like(plan)
            chances.append(own_share(flat, particle[rows], particle[rows]))
        found |= {
            "own share": float(np.mean(shares)),
            "own share by chance": float(np.mean(chances)),
            "partners": float(np.mean(numbers)),
        }
    return found


def _probable(one: Subject) -> NDArray[np.float32]:
    return one.encoded(np.arange(len(one.sample)))


def _variances(codes: torch.Tensor) -> torch.Tensor:
    return torch.linalg.svdvals(codes - codes.mean(dim=0)).square()


def truncation_figures(bundle: Path) -> list[dict]:
    """Value and gradient after few iterations against convergence, on a trained model."""
    one = subject(bundle)
    codes, generated, conditions, _ = tensors(one, np.random.default_rng(0))
    order = np.random.default_rng(1).permutation(len(codes))
    rows = []
    for n, epsilon, weight in [
        *((256, epsilon, weight) for epsilon in (0.005, 0.05, 0.5) for weight in (0.03, 1.0)),
        (1000, 0.005, 0.03),
        (1000, 0.005, 1.0),
    ]:
        iterations = [2, 5, 10, 20, 50, 100, 200] if n == BATCH else [2, 10, 50]
        chosen = order[:n]
        found = truncation(
            codes[chosen], generated[chosen], conditions[chosen], epsilon=epsilon,
            condition_weight=weight, iterations=iterations,
        )  # fmt: skip
        joined = torch.cdist(codes[chosen], generated[chosen]).square()
        joined += weight * torch.cdist(conditions[chosen], conditions[chosen]).square()
        rows.append(
            {
                "points": n,
                "epsilon": epsilon,
                "condition weight": weight,
                "epsilon over mean cost": epsilon / float(joined.mean()),
                "iterations": iterations,
                **{key: [getattr(t, key) for t in found] for key in found[0]._fields},
            }
        )
    return rows


def groups(particles: Particles) -> dict[str, NDArray[np.int64]]:
    """Rows of neutrons, photons and the rest, each below and above its median energy."""
    kinds = particles.kinds()
    found = {}
    for name, mask in (
        ("n", kinds == "n"),
        ("gamma", kinds == "gamma"),
        ("others", (kinds != "n") & (kinds != "gamma")),
    ):
        middle = float(np.median(particles["energy_gev"][mask]))
        low = particles["energy_gev"] < middle
        found[f"{name}, below {middle:.0f} GeV"] = np.flatnonzero(mask & low)
        found[f"{name}, above {middle:.0f} GeV"] = np.flatnonzero(mask & ~low)
    return found


def match_figures(bundle: Path) -> dict:
    """Energy coefficient between encoded and generated codes, by group of particles.

    ``scatter if equal`` is what to hold a value near 0 against, ``error`` one that is not.
    """
    one = subject(bundle)
    rng = np.random.default_rng(0)
    codes, generated, _, particle = tensors(one, rng)
    found = {}
    rows_of = {"all": np.arange(len(codes)), **groups(one.sample.particles)}
    for name, rows in rows_of.items():
        x, y, ids = codes[rows], generated[rows], particle.numpy()[rows]
        found[name] = {
            "value": coefficient(x, y),
            "error": coefficient_error(x, y, ids, rng),
            "scatter if equal": scatter_if_equal(x, y, ids),
            "showers": len(rows),
        }
    return found


def group_picture(bundle: Path) -> dict:
    """Codes of the validation showers of one kind and about one energy, for a picture.

    In the plane of their two largest principal components, in standard deviations of all codes.
    """
    one = subject(bundle)
    rng = np.random.default_rng(0)
    particles = one.sample.particles
    codes, generated, _, _ = tensors(one, rng)
    low, high = GROUP["energy"]
    energy = particles["energy_gev"]
    inside = (particles.kinds() == GROUP["kind"]) & (energy >= low) & (energy < high)
    rows = torch.from_numpy(np.flatnonzero(inside))
    axes = torch.linalg.svd(codes - codes.mean(dim=0), full_matrices=False).Vh[:2].T
    scale = ((codes - codes.mean(dim=0)) @ axes).std(dim=0)
    sides = {"encoded": codes, "generated": generated}
    plane = {name: (side - codes.mean(dim=0)) @ axes / scale for name, side in sides.items()}
    return {
        "group": GROUP,
        "showers": len(rows),
        **{name: side[rows].numpy().round(3).tolist() for name, side in plane.items()},
        **{f"all {name}": side.numpy().round(3).tolist() for name, side in plane.items()},
    }


def noise_figures(bundle: Path) -> dict:
    """What the noise generator does with its noise, and how its cloud moves."""
    one = subject(bundle)
    model = one.bundle.model
    rng = np.random.default_rng(0)
    particles = one.sample.particles
    conditions = torch.from_numpy(one.bundle.conditions.scaled(particles, one.geometry))
    noise = torch.from_numpy(one.noise(len(conditions), rng))
    jacobian = jacobians(lambda c, z: model.sample_latent(c, z), conditions, noise).detach()
    values = torch.linalg.svdvals(jacobian).square()
    values = (values / values.sum(dim=1, keepdim=True)).mean(dim=0)
    used = sensitivity(jacobian)
    return {
        "sensitivity": used.tolist(),
        "noise variables used": participation(used.square()),
        "singular values": values.tolist(),
        "effective rank": effective_rank(jacobian),
        "shape": _shapes(one, rng),
        "cloud": _clouds(one, rng),
        "physics": _physics(one, rng),
    }


def _shapes(one: Subject, rng: np.random.Generator) -> dict:
    """Moments of the codes of one particle along their own principal axes."""
    chosen = rng.choice(len(one.sample), 60, replace=False)
    n = 2000
    skew, kurt, width = [], [], []
    for k in chosen:
        rows = one.sample.particles.select(np.full(n, k))
        codes = torch.from_numpy(one.drawn_codes(rows, one.noise(n, rng)))
        apart = codes - codes.mean(dim=0)
        _, size, axes = torch.linalg.svd(apart, full_matrices=False)
        moments = shape_moments(apart @ axes.T)
        skew.append(moments[0].abs().tolist())
        kurt.append(moments[1].tolist())
        width.append((size / np.sqrt(n)).tolist())
    return {
        "draws": n,
        "particles": len(chosen),
        "widths": np.mean(width, axis=0).tolist(),
        "skewness, absolute": np.mean(skew, axis=0).tolist(),
        "skewness of Gaussian draws": float(np.sqrt(2 / np.pi) * np.sqrt(6 / n)),
        "excess kurtosis": np.mean(kurt, axis=0).tolist(),
    }


def _cloud(one: Subject, particles: Particles, rng: np.random.Generator) -> dict:
    """Mean distance from the origin, and widths within a particle along principal axes."""
    draws = np.stack(
        [one.drawn_codes(particles, one.noise(len(particles), rng)) for _ in range(128)]
    )
    centres = draws.mean(axis=0)
    inside = (draws - centres).reshape(-1, draws.shape[2])
    widths = np.linalg.svd(inside.T @ inside / len(inside), compute_uv=False)
    return {
        "centre": centres.mean(axis=0).tolist(),
        "shift": float(np.sqrt((centres.mean(axis=0) ** 2).sum())),
        "spread of centres": float(np.sqrt(centres.var(axis=0).sum())),
        "width": float(np.sqrt(widths.sum())),
        "widths": np.sqrt(widths).tolist(),
    }


def _clouds(one: Subject, rng: np.random.Generator) -> dict:
    """The cloud of generated codes for particles of one kind, energy or impact point."""
    particles = one.sample.particles
    kinds = particles.kinds()
    where = np.abs(impact_cm(particles, one.geometry)).max(axis=1)
    half = float(max(one.geometry.layout.half_width_cm))
    by_energy, by_impact = {}, {}
    for kind in KINDS:
        rows = np.flatnonzero(kinds == kind)[:48]
        some = particles.select(rows)
        by_energy[kind] = [
            _cloud(one, swept(some, "energy_gev", np.full(len(rows), e)), rng) for e in ENERGIES
        ]
    neutrons = kinds == "n"
    for low, high in ((0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0)):
        rows = np.flatnonzero(neutrons & (where >= low * half) & (where < high * half))
        if len(rows) > 4:
            some = particles.select(rows)
            fixed = swept(some, "energy_gev", np.full(len(rows), 100.0))
            by_impact[f"{low:g} to {high:g}"] = {
                "particles": len(rows), **_cloud(one, fixed, rng)
            }  # fmt: skip
    return {"energies": ENERGIES, "by kind": by_energy, "by impact": by_impact}


def _physics(one: Subject, rng: np.random.Generator) -> dict:
    """How codes go with what a shower has more or less than showers of its particle."""
    particles = one.sample.particles
    n = len(one.sample)
    expected = []
    for _ in range(12):
        cells = one.expected(particles, one.noise(n, rng))
        expected.append(_seen(one, cells))
    mean = np.mean(expected, axis=0)
    residual = _seen(one, one.sample.showers) - mean
    codes = _probable(one).astype(np.float64)
    generated = one.drawn_codes(particles, one.noise(n, rng))
    own = _seen(one, one.decoded(generated, particles)) - mean
    centred = codes - codes.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    projected = centred @ axes.T
    made = (generated - codes.mean(axis=0)) @ axes.T
    names = list(OBSERVABLES)
    return {
        "observables": names,
        "variance of axes": (projected.var(axis=0) / projected.var(axis=0).sum()).tolist(),
        "correlation, encoded": _correlations(projected, residual),
        "correlation, generated": _correlations(made, own),
        "explained, encoded": [_explained(codes, y) for y in residual.T],
        "error of a correlation": 1 / float(np.sqrt(n)),
    }


OBSERVABLES = {"total": "relative", "centroid_x": "", "centroid_y": "", "width": ""}


def _seen(one: Subject, cells: NDArray) -> NDArray[np.float64]:
    """Square root of the photon sum, centroids and mean width, ``(n, 4)``."""
    shapes = one.shapes(cells)
    width = (shapes["width_x"] + shapes["width_y"]) / 2
    return np.stack(
        (np.sqrt(shapes["total"]), shapes["centroid_x"], shapes["centroid_y"], width), axis=1
    )


def _correlations(codes: NDArray, values: NDArray) -> list[list[float]]:
    """Spearman's rank correlation, ``(axis, observable)``."""
    from scipy.stats import spearmanr

    k = codes.shape[1]
    table = np.asarray(spearmanr(np.concatenate((codes, values), axis=1)).statistic)
    return table[:k, k:].tolist()


def _explained(codes: NDArray, values: NDArray) -> float:
    """Share of the variance that a straight line of the codes explains, out of fold."""
    fold = np.arange(len(codes)) % 5
    features = np.column_stack((np.ones(len(codes)), codes))
    left = np.empty(len(codes))
    for k in range(5):
        learn = fold != k
        weights = np.linalg.lstsq(features[learn], values[learn], rcond=None)[0]
        left[~learn] = values[~learn] - features[~learn] @ weights
    return 1 - float((left**2).mean() / values.var())
