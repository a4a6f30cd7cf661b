"""What the validation of the simulation shares: showers on disk, errors, results.

Needs ``pip install 'caloforge[sim]'`` and Geant4's run data. Raw shower files go to ``--work``
(by default ``scratch/simulation``, which git ignores); a run that was interrupted goes on where
it stopped, and files that are complete are not made again. What is committed is the JSON in
``validation/results/``; `figures.py` draws from it, without Geant4.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import optimize

from caloforge.data import ShowerSample, read_showers
from caloforge.simulation.run import simulate_file
from caloforge.simulation.setup import load_setup
from caloforge.training.provenance import provenance

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
RESULTS = ROOT / "validation" / "results"
RUN_DATA = "Geant4 run data substituted (shared/g4data), not the official data sets"


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Options that all scripts have."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="of showers and resamplings")
    parser.add_argument("--scale", type=float, default=1.0, help="times the showers; default 1")
    parser.add_argument("--workers", type=int, default=1, help="Geant4 processes; default 1")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "scratch" / "simulation", help="for shower files"
    )
    return parser


def showers(
    options: argparse.Namespace, name: str, detector: str | Path, **settings: Any
) -> ShowerSample:
    """Simulate, or read what an earlier call with the same settings has made."""
    options.work.mkdir(parents=True, exist_ok=True)
    # The name of a file stands for its content: `work` may be anywhere.
    plain = {k: Path(v).name if isinstance(v, Path) else v for k, v in settings.items()}
    key = json.dumps({"detector": Path(detector).name, **plain}, sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:8]
    path = options.work / f"{name}-{digest}.h5"
    if not path.exists():
        made = simulate_file(detector, path, workers=options.workers, resume=True, **settings)
        rate = made.cpu_seconds / max(made.n_showers, 1)
        print(f"{name}: {made.n_showers} showers, {rate:.3g} CPU s each", flush=True)
    return read_showers(path)


POINT = 'law = "point"'
FIBRE = 'law = "point"\ncentre_cm = [0.08, 0.08]'
CELL = 'law = "rectangle"\nsize_cm = [0.16, 0.16]'
"""Where particles enter the ZN: the middle, which is a corner of four cells; the fibre beside
it; anywhere in a cell."""


def fixed_gun(
    options: argparse.Namespace, particle: str, gev: float, where: str = POINT
) -> Path:
    """Write a gun of one kind and energy, straight along the beam."""
    place = {POINT: "", FIBRE: "-fibre", CELL: "-cell"}[where]
    text = f"""title = "{particle} of {gev:g} GeV straight along the beam"

[[kinds]]
particle = "{particle}"
energy = {float(gev)!r}

[[positions]]
{where}
"""
    return written(options, f"gun-{particle}-{gev:g}{place}.toml", text)


def with_efficiency(options: argparse.Namespace, detector: str, value: float) -> Path:
    """Write a detector of the package with another detection efficiency of its fibres.

    At 1 there is little counting noise. Thinned at random to a share, Poisson counts stay
    Poisson: they are those of that efficiency.
    """
    text = (
        resources.files("caloforge.geometry") / "detectors" / f"{detector}.toml"
    ).read_text()
    text, n = re.subn(r"(?m)^efficiency = [0-9.]+", f"efficiency = {float(value)}", text)
    assert n == 1
    name = "bright" if value == 1 else f"{1000 * value:.0f}"
    return written(options, f"{detector}-{name}.toml", text)


def efficiency(of: ShowerSample | str) -> float:
    """Detection efficiency that showers were made with, or that a detector has now."""
    if isinstance(of, str):
        table: Any = load_setup(of).detector
    else:
        assert of.provenance is not None
        table = of.provenance["detector"]
    return float(table["construction"]["light"]["efficiency"])


def written(options: argparse.Namespace, name: str, text: str) -> Path:
    """Write a file of the work folder, unless it is there."""
    options.work.mkdir(parents=True, exist_ok=True)
    path = options.work / name
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return path


def scaled(options: argparse.Namespace, n: int) -> int:
    """How many showers instead of ``n``."""
    return max(2, round(n * options.scale))


def save(name: str, result: Mapping[str, Any], sample: ShowerSample | None = None) -> None:
    """Write ``simulation-NAME.json`` with where it comes from."""
    simulation = dict((sample.provenance or {}).get("simulation", {})) if sample else {}
    simulation.pop("data_sets", None)
    origin = {**provenance(), "cpu_model": cpu_model(), "run_data": RUN_DATA}
    path = RESULTS / f"simulation-{name}.json"
    whole = {**result, "simulation": simulation, "provenance": origin}
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(rounded(whole), indent=1) + "\n")
    temporary.replace(path)
    print(f"wrote {path.relative_to(ROOT)}", flush=True)


def rounded(value: Any) -> Any:
    """Numbers with six digits: enough, and readable."""
    if isinstance(value, Mapping):
        return {str(k): rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [rounded(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def cpu_model() -> str:
    """Name of the processor, with the load of the machine: times depend on both."""
    info = Path("/proc/cpuinfo")
    names = (
        [x for x in info.read_text().splitlines() if "model name" in x] if info.exists() else []
    )
    name = names[0].split(":")[1].strip() if names else "unknown"
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def mean_error(values: NDArray[Any]) -> tuple[float, float]:
    """Mean and its standard error."""
    values = np.asarray(values, float)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def spread(values: NDArray[Any], seed: int = 0, n: int = 400) -> tuple[float, float]:
    """Standard deviation over mean, and its error from a bootstrap of showers.

    Of few showers the bootstrap knows too little: never less than that of a normal law.
    """
    values = np.asarray(values, float)
    rng = np.random.default_rng(seed)
    drawn = values[rng.integers(len(values), size=(n, len(values)))]
    found = float(values.std(ddof=1) / values.mean())
    normal = found / np.sqrt(2 * (len(values) - 1))
    return found, max(float((drawn.std(axis=1, ddof=1) / drawn.mean(axis=1)).std()), normal)


def fit(
    model: Callable[..., NDArray[np.float64]],
    x: NDArray[Any],
    y: NDArray[Any],
    error: NDArray[Any],
    start: tuple[float, ...],
    names: tuple[str, ...],
    bounds: tuple[Any, Any] = (-np.inf, np.inf),
) -> dict[str, Any]:
    """Least squares with known errors: parameters, errors, chi2 and degrees of freedom."""
    x, y, error = (np.asarray(v, float) for v in (x, y, error))
    best, covariance = optimize.curve_fit(
        model, x, y, p0=start, sigma=error, absolute_sigma=True, bounds=bounds, maxfev=20000
    )
    chi2 = float((((y - model(x, *best)) / error) ** 2).sum())
    return {
        **{
            name: {"value": value, "error": deviation}
            for name, value, deviation in zip(
                names, best, np.sqrt(np.diag(covariance)), strict=True
            )
        },
        "chi2": chi2,
        "ndf": len(x) - len(best),
    }


def resolution(energy: NDArray[Any], a: float, b: float) -> NDArray[np.float64]:
    """Resolution a / sqrt(E) and b in quadrature."""
    found: NDArray[np.float64] = np.sqrt(a**2 / np.asarray(energy, float) + b**2)
    return found


def resolution_fit(energy: Any, sigma: Any, error: Any) -> dict[str, Any]:
    """Fit a and b of `resolution`: linear in their squares, so that b may be 0.

    Returns:
        As `fit`, and ``b_below``: limit of b at 95 % confidence.
    """
    energy, sigma, error = (np.asarray(v, float) for v in (energy, sigma, error))
    found = fit(
        lambda e, a2, b2: a2 / e + b2, energy, sigma**2, 2 * sigma * error, (1.0, 0.0),
        ("a2", "b2"),
    )  # fmt: skip
    (a2, of_a2), (b2, of_b2) = ((found[k]["value"], found[k]["error"]) for k in ("a2", "b2"))
    a, b = np.sqrt(max(a2, 1e-12)), np.sqrt(max(b2, 0.0))
    return {
        **found,
        "a": {"value": float(a), "error": float(of_a2 / (2 * a))},
        "b": {"value": float(b), "error": float(of_b2 / (2 * b)) if b > 0 else None},
        "b_below": float(np.sqrt(max(b2, 0.0) + 1.64 * of_b2)),
    }
