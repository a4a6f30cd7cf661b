"""Trained bundles into the package: measured on test showers, made small, with their cards.

    python validation/bundles.py              # all that are trained, a minute of a core each
    python validation/bundles.py zn-e2e-sae   # some of them
    python validation/bundles.py --speeds     # times those that are there, on a quiet machine
    python validation/bundles.py zn-e2e-sae --from runs/e2e-study/e2e-0 --into /tmp/bundles

Reads what `validation/zoo.py` trained in runs/zoo. Writes src/caloforge/bundles/NAME and
validation/results/bundles/NAME.json. Test showers are used to measure, never to choose. Refused
are bundles of other settings than the run file's of today, bundles that have seen particles of
the test sample (or of which that cannot be checked), and those that are too large.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle_checks import Entry, checked, kinds
from bundle_speed import machine, rates
from result_files import read_json, write_json
from zoo import Job, System, jobs, judged

from caloforge.errors import BundleError, CaloforgeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.generation import FastSimulation
    from caloforge.training.bundle import Bundle

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results" / "bundles"
SHIPPED = ROOT / "src" / "caloforge" / "bundles"
MOST_BYTES, MOST_BYTES_IN_ALL = 3_000_000, 15_000_000
LICENCE = "Apache-2.0, as caloforge and the showers that it was trained on"
LIMITS = {
    "grid": "It makes the photons that one detector's fibres count for one incident particle.",
    "cylinder": "It makes the energies in one calorimeter's silicon for electrons on its axis.",
}
LIMITS_OF_ALL = (
    "Electronics, noise and pile-up are not in it; several particles are sums of showers.",
    "It stands for the full simulation named under Data, not for an experiment's own.",
)
_ROWS = 1000


def of_zoo(
    name: str, label: str, *, generation_only: bool = False, weights_dtype: str = "float16"
) -> Entry:
    """Name a training of the zoo as a bundle.

    Its seed is 0: which seed is shipped was decided before any was measured.
    """
    job = next(job for job in jobs() if job.label == label)
    settings = tuple(job.settings())
    return Entry(name, job.run, settings, label, weights_dtype, generation_only)


BUNDLES = (
    of_zoo("zn-e2e-sae", "zn/e2e-sae-tuned-0"),
    # In half precision it has 3.4 MB, and 3.1 MB without its encoder.
    of_zoo("zn-e2e-sae-published", "zn/e2e-sae-published-0", weights_dtype="int8"),
    of_zoo("zn-e2e-shapes", "zn/e2e-shapes-tuned-0", generation_only=True),
    of_zoo("zn-flow-matching", "zn/flow-matching-tuned-0"),
    of_zoo("zp-e2e-sae", "zp/e2e-sae-tuned-0"),
    of_zoo("zp-e2e-shapes", "zp/e2e-shapes-tuned-0", generation_only=True),
    of_zoo("cylinder-e2e-shapes", "cylinder/e2e-shapes-tuned-0", generation_only=True),
)


def measured(simulation: FastSimulation, entry: Entry) -> dict[str, Any]:
    """Figures on the test sample with errors and floors, and speed: ``metrics.test``."""
    from caloforge.data import load_sample
    from caloforge.training.provenance import provenance

    detector = simulation.geometry.name
    test = load_sample(f"{detector}-test")
    system = System(entry.name, entry.name, entry.run, 0, 0, 1)
    # Another seed than any training's: noise of generation has nothing to do with it.
    found = judged(simulation, Job(detector, system, tuned=True, seed=1))
    names = [n for n, one in found["model"].items() if "value" in one]
    result = {
        "sample": f"{detector}-test",
        "statement": found["statement"],
        "figures": {
            n: {"model": found["model"][n], "floor": found["floor"].get(n)} for n in names
        },
        "shapes": found["model"]["shapes"],
        "showers_per_second": rates(simulation, test.particles),
        "machine": machine(),
        "date": provenance()["date"],
        "commit": provenance()["commit"],
    }
    if test.cpu_seconds is not None:
        result["full_simulation_seconds"] = float(test.cpu_seconds.mean())
    return result


def rounding(bundle: Bundle, small: Bundle) -> dict[str, float]:
    """What smaller weights do to the expected cells of training particles and some noise.

    Returns:
        Relative root mean square change of cells and of their sums; 0 in float32.
    """
    import numpy as np
    import torch

    from caloforge.data import load_sample

    particles = load_sample(bundle.info["data"]["source"]).particles
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(particles))[:_ROWS]
    scaled = bundle.conditions.scaled(particles.select(rows), bundle.geometry)
    shape = (len(rows), bundle.generator.noise_dim)
    noise = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    with torch.inference_mode():
        before, after = (
            one.generator.sample(torch.from_numpy(scaled), noise).double()
            for one in (bundle, small)
        )

    def change(a: torch.Tensor, b: torch.Tensor) -> float:
        return float(((b - a).square().mean() / a.square().mean()).sqrt())

    return {"cells": change(before, after), "sums": change(before.sum(1), after.sum(1))}


def install(entry: Entry, source: Path, into: Path, results: Path) -> Path:
    """Check, shrink, measure and write one bundle.

    Arguments:
        entry: Which.
        source: Folder of the training run or of its bundle.
        into: Folder that receives the folder of the bundle.
        results: Folder that receives the JSON.

    Returns:
        Folder of the bundle. It is there whole or not at all.

    Raises:
        BundleError: If it must not be shipped.
    """
    from caloforge.generation import load
    from caloforge.training.bundle import add_metrics, read_bundle, write_bundle
    from caloforge.training.provenance import provenance
    from caloforge.training.slim import slim

    bundle = read_bundle(source)
    checks = checked(bundle, entry)
    small = slim(
        bundle, weights_dtype=entry.weights_dtype, generation_only=entry.generation_only
    )
    limits = [LIMITS[bundle.geometry.kind], *LIMITS_OF_ALL]
    info = {**bundle.info, "name": entry.name, "licence": LICENCE, "limits": limits}
    info["kinds"] = kinds(bundle)
    spent = source / "core-seconds"
    if spent.is_file():
        info["training"] = {
            **info.get("training", {}),
            "core-seconds": round(float(spent.read_text()), 1),
        }
    effect = rounding(bundle, small)
    info["metrics"] = {
        **info.get("metrics", {}),
        "relative change of cells by the stored precision": effect["cells"],
    }
    for folder in (into, results):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=f".{entry.name}-") as aside:
        folder = write_bundle(Path(aside) / entry.name, replace(small, info=info), force=False)
        check_sizes(folder, into)
        test = measured(load(folder), entry)
        add_metrics(folder, {"test": test})
        n_bytes = size(folder)
        target = into / entry.name
        if target.exists():
            target.replace(Path(aside) / "before")
        folder.replace(target)
    write_json(
        results / f"{entry.name}.json",
        {
            "name": entry.name,
            "checks": checks,
            "weights_dtype": entry.weights_dtype,
            "generation_only": entry.generation_only,
            "relative change by rounding": effect,
            "bytes": n_bytes,
            "parameters": bundle.info["n_parameters"],
            "training": info["training"],
            "test": test,
            "trained at": bundle.info["provenance"],
            "provenance": provenance(),
        },
    )
    return target


def time_again(into: Path, results: Path, names: Sequence[str] = ()) -> None:
    """Measure the speeds of the bundles that are there, and write them into card and JSON.

    Arguments:
        into: Folder of the bundles.
        results: Folder of their JSON files.
        names: Some of them; all by default.
    """
    from caloforge.data import load_sample
    from caloforge.generation import load
    from caloforge.training.bundle import add_metrics, read_table

    for folder in sorted(path for path in into.iterdir() if (path / "bundle.json").is_file()):
        if names and folder.name not in names:
            continue
        simulation = load(folder)
        test = read_table(folder)["metrics"]["test"]
        particles = load_sample(test["sample"]).particles
        test["showers_per_second"] = rates(simulation, particles)
        test["machine"] = machine()
        add_metrics(folder, {"test": test})
        path = results / f"{folder.name}.json"
        write_json(path, {**read_json(path), "test": test})
        print(folder.name, test["showers_per_second"], flush=True)


def check_sizes(folder: Path, into: Path) -> None:
    """Refuse a bundle that is too large, alone or with the others.

    Raises:
        BundleError: With its size.
    """
    own = size(folder)
    others = sum(
        size(path)
        for path in into.iterdir()
        if path.is_dir() and path.name != folder.name and not path.name.startswith(".")
    )
    for what, found, most in (
        ("", own, MOST_BYTES),
        ("all bundles together: ", own + others, MOST_BYTES_IN_ALL),
    ):
        if found > most:
            msg = (
                f"{folder.name}: {what}found {found / 1e6:.2f} MB, expected at most "
                f"{most / 1e6:g} MB; store smaller weights or leave out the encoder"
            )
            raise BundleError(msg)


def size(folder: Path) -> int:
    """Bytes of the files of a bundle."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Install what is asked for; bundles that are refused leave an exit code of 2."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="bundles; all by default")
    parser.add_argument("--speeds", action="store_true", help="only time those that are there")
    parser.add_argument("--from", dest="source", type=Path, help="trained run, for one name")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "zoo")
    parser.add_argument("--into", type=Path, default=SHIPPED)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.speeds:
        time_again(options.into, options.results, options.names)
        return
    known = {entry.name: entry for entry in BUNDLES}
    unknown = [name for name in options.names if name not in known]
    if unknown or (options.source and len(options.names) != 1):
        parser.error(
            f"found {unknown or options.names}, expected of {', '.join(known)}; "
            "with --from just one"
        )
    refused = 0
    for name in options.names or known:
        source = options.source or options.work / known[name].trained
        if not source.is_dir():
            print(f"{name}: not trained, no {os.path.relpath(source)}", flush=True)
            continue
        try:
            target = install(known[name], source, options.into, options.results)
        except CaloforgeError as error:
            print(f"Error: {error}", file=sys.stderr, flush=True)
            refused = 2
            continue
        test = json.loads((target / "bundle.json").read_text())["metrics"]["test"]
        ratio = test["figures"]["w1_ratio"]["model"]
        print(
            f"{target}: {size(target) / 1e6:.2f} MB, W1 / floor {ratio['value']:.3f}",
            flush=True,
        )
    sys.exit(refused)


if __name__ == "__main__":
    main()
