"""Trained bundles into the package: measured on test showers, made small, with their cards.

    python validation/bundles.py              # all that are trained, a minute of a core each
    python validation/bundles.py zn-e2e-sae       # some of them
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
import platform
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from result_files import write_json

from caloforge.errors import BundleError, CaloforgeError

if TYPE_CHECKING:
    from caloforge.config import RunConfig
    from caloforge.data import Particles
    from caloforge.generation import FastSimulation
    from caloforge.training.bundle import Bundle

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results" / "bundles"
SHIPPED = ROOT / "src" / "caloforge" / "bundles"
MOST_BYTES, MOST_BYTES_IN_ALL = 3_000_000, 15_000_000
LICENCE = "Apache-2.0, as caloforge and the showers that it was trained on"
LIMITS = (
    "It makes the photons counted by the fibres of one detector for one incident particle.",
    "Electronics, noise and pile-up are not in it; several particles are sums of showers.",
    "It stands for the full simulation named under Data, not for the ALICE experiment's own.",
)
_FREE = ("title", "seed")  # of a run: they may differ from the run file's
_FREE_TRAINING = ("threads", "devices", "accelerator")
_BATCHES = (1024, 4096, 16384)
_ROWS = 1000


class Entry(NamedTuple):
    """A bundle of the package.

    Attributes:
        name: As users call it.
        run: Run file that it was trained by.
        settings: What was changed in it.
        trained: Run of the zoo that made it, below ``--work``.
        weights_dtype: Of its matrices.
        generation_only: Whether weights that generation does not use are left out.
    """

    name: str
    run: str
    settings: tuple[str, ...]
    trained: str
    weights_dtype: str = "float16"
    generation_only: bool = False


BUNDLES = (
    Entry("zn-e2e-sae", "zn-e2e-sae", (), "zn/e2e-sae-tuned-0"),
    Entry("zp-e2e-sae", "zn-e2e-sae", ("data.train=zp-train",), "zp/e2e-sae-tuned-0"),
)


def checked(bundle: Bundle, entry: Entry) -> dict[str, Any]:
    """Refuse what must not be shipped; say what was checked.

    Raises:
        BundleError: With the reason.
    """
    from caloforge.config import load_run

    expected = load_run(entry.run, entry.settings)
    other = differing(bundle.run, expected)
    if other:
        msg = (
            f"{entry.name}: found other settings than those of {entry.run} at this commit "
            f"({'; '.join(other)}); train again"
        )
        raise BundleError(msg)
    return {"run": entry.run, "settings": list(entry.settings), **seen_particles(bundle, entry)}


def differing(run: RunConfig, expected: RunConfig) -> list[str]:
    """Name the settings that differ, but for seed, title and what showers do not depend on."""
    ours, theirs = (
        {
            f"{table}.{key}": value
            for table, entries in one.as_dict().items()
            if table not in _FREE
            for key, value in entries.items()
            if table != "train" or key not in _FREE_TRAINING
        }
        for one in (run, expected)
    )
    return [
        f"{key} = {ours.get(key)!r}, expected {theirs.get(key)!r}"
        for key in sorted({*ours, *theirs})
        if ours.get(key) != theirs.get(key)
    ]


def seen_particles(bundle: Bundle, entry: Entry) -> dict[str, Any]:
    """Check the showers that a bundle says it was trained on.

    The file must be there with the checksum that was recorded, its selection and split must
    give the recorded numbers of showers, and none of its incident particles, on either side and
    by their physical properties, may be in the test sample.

    Raises:
        BundleError: If any of this is not so.
    """
    import numpy as np

    from caloforge.data import ShowerFile, partition, resolve

    data = bundle.info.get("data", {})
    test_name = f"{bundle.geometry.name}-test"
    source = data.get("source", "")
    unproven = "so nobody can say that no test particle was seen"
    try:
        path, test_path = resolve(source), resolve(test_name)
    except CaloforgeError as error:
        msg = f"{entry.name}: {error}: {unproven}; bring the file"
        raise BundleError(msg) from error
    plan, selection = bundle.run.data.split_plan, bundle.run.data.selection
    with ShowerFile(path) as file, ShowerFile(test_path) as test:
        if file.sha256() != data.get("sha256"):
            msg = (
                f"{entry.name}: {path} is not what it was trained on (SHA-256 differs), "
                f"{unproven}; bring that file, or train again"
            )
            raise BundleError(msg)
        sizes = tuple(map(len, partition(file, plan, selection)))
        then = (data.get("training showers"), data.get("validation showers"))
        if sizes != then:
            msg = (
                f"{entry.name}: found {sizes[0]} training and {sizes[1]} validation showers by "
                f"its selection and split, expected {then[0]} and {then[1]} as it recorded; "
                "train again"
            )
            raise BundleError(msg)
        known = np.unique(file.particles().identity())
        both = np.isin(np.unique(test.particles().identity()), known).sum()
        if both:
            msg = (
                f"{entry.name}: {both} particles of {test_name} are in {source}, on which it "
                "was trained, expected none; train on others"
            )
            raise BundleError(msg)
        return {
            "training data": source,
            "training sha256": data["sha256"],
            "test sample": test_name,
            "test sha256": test.sha256(),
            "particles in both": 0,
        }


def measured(simulation: FastSimulation, entry: Entry) -> dict[str, Any]:
    """Figures on the test sample with errors and floors, and speed: ``metrics.test``."""
    from zoo import Job, System, judged

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


def rates(
    simulation: FastSimulation, particles: Particles, seconds: float = 1.0
) -> dict[str, float]:
    """Showers a second of CPU time of one core: one at a time, 256, and at the best size."""
    found = {size: rate(simulation, particles, size, seconds) for size in (1, 256, *_BATCHES)}
    best = max(found, key=lambda size: found[size])
    return {"1": found[1], "256": found[256], "best": found[best], "best_batch": best}


def rate(simulation: FastSimulation, particles: Particles, size: int, seconds: float) -> float:
    """Showers a second of calls that ask for ``size`` showers of as many particles."""
    import numpy as np

    def call(number: int) -> None:
        rows = (number * size + np.arange(size)) % len(particles)
        chosen = particles.select(rows)
        for _ in simulation.chunks(chosen, seed=1, first=number * size, batch_size=size):
            pass

    call(0)  # sets up
    made, started = 0, time.process_time()
    while (spent := time.process_time() - started) < seconds or not made:
        made += 1
        call(made)
    return round(made * size / max(spent, 1e-9), 1)


def machine() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(x.partition(":")[2].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


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
    info = {**bundle.info, "name": entry.name, "licence": LICENCE, "limits": list(LIMITS)}
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
                f"{most / 1e6:g} MB; store half precision or leave out the encoder"
            )
            raise BundleError(msg)


def size(folder: Path) -> int:
    """Bytes of the files of a bundle."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Install what is asked for; bundles that are refused leave an exit code of 2."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="bundles; all by default")
    parser.add_argument("--from", dest="source", type=Path, help="trained run, for one name")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "zoo")
    parser.add_argument("--into", type=Path, default=SHIPPED)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
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
