"""Power of the evaluation: which test sees which distortion, and with how many particles.

    python validation/power.py             # hours on one core; goes on where it stopped
    python validation/power.py --table     # only fills the tables of docs/metrics-power.md

Full simulation (zn-test) is split within its particles: three showers of each are the
reference, two are distorted by `caloforge.metrics.distortions` and judged like a generator.
Three studies, one JSON each in validation/results/power/:

- ``sizes``: every distortion at 20 to 440 particles, 20 random splits: which tests reject;
- ``splits``: 100 random splits without any distortion, all tests of the `full` suite: how often
  full simulation passes;
- ``full``: every distortion once on the whole test set in the `full` suite: verdict, and by how
  many standard deviations every figure leaves its floor.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from result_files import read_json, write_json

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "power"
SIZES = (20, 40, 80, 160, 320, 440)
N_SPLITS = 20
N_PASSES = 100
LEVEL = 0.01
LARGE = 1000.0  # for a difference without any error


def split(sample, seed: int, n_particles: int):
    """Some particles; three showers of each and the two others, at random."""
    rng = np.random.default_rng([seed, n_particles])
    order = np.lexsort((rng.random(len(sample)), sample.particles.incident)).reshape(-1, 5)
    order = order[rng.permutation(len(order))[:n_particles]]
    return sample.select(np.sort(order[:, :3].ravel())), sample.select(
        np.sort(order[:, 3:].ravel())
    )


def study_sizes(found: dict, save) -> None:
    """Share of splits in which each distortion is seen, by test."""
    from caloforge.data import load_sample
    from caloforge.metrics import make_trial
    from caloforge.metrics.distortions import distortions
    from caloforge.metrics.settings import Settings
    from caloforge.metrics.statistics.exchange import exchange_tests

    test = load_sample("zn-test")
    every = distortions(test.geometry, load_sample("zn-train"))
    settings = Settings(n_permutations=299)
    for size in SIZES:
        for name, distortion in every.items():
            key = f"{name} {size}"
            if key in found:
                continue
            seen: Counter[str] = Counter()
            for seed in range(N_SPLITS):
                reference, other = split(test, seed, size)
                rng = np.random.default_rng([seed, size, *name.encode()])
                made = distortion.apply(other, rng)
                trial = make_trial(reference, {"distorted": made}, rng=rng)
                tests = exchange_tests(trial, trial.generated[0], (), settings, rng)
                rejecting = {t.metric for t in tests if t.p_adjusted <= LEVEL}
                seen.update(rejecting)
                seen["verdict"] += bool(rejecting)
            found[key] = {k: n / N_SPLITS for k, n in sorted(seen.items())}
            save()
            print(key, found[key], flush=True)


def study_splits(found: dict, save) -> None:
    """Verdicts on full simulation itself, with all scores of the `full` suite."""
    for seed in range(N_PASSES):
        if str(seed) not in found:
            outcome = assess_split(seed, None, verdict_only=True)
            verdict = outcome.verdicts[0]
            found[str(seed)] = {
                "verdict": verdict.text,
                "n_tests": verdict.n_tests,
                "smallest p": min(test.p_adjusted for test in outcome.tests),
            }
            save()
            print(seed, found[str(seed)], flush=True)


def study_full(found: dict, save) -> None:
    """The `full` suite on every distortion of the whole test set, and on none."""
    from caloforge.geometry import load_geometry
    from caloforge.metrics.distortions import distortions

    for name in ("none", *distortions(load_geometry("zn")), "memorised"):
        if name in found:
            continue
        outcome = assess_split(0, None if name == "none" else name)
        verdict = outcome.verdicts[0]
        pulls: dict[str, float] = {}
        for figure in outcome.figures:
            if figure.value is None or figure.floor is None:
                continue
            error = np.hypot(figure.value.error, figure.floor.error)
            shift = abs(figure.value.value - figure.floor.value)
            pull = shift / error if error > 0 else LARGE * float(shift > 0)
            pulls[figure.metric] = max(pulls.get(figure.metric, 0.0), round(float(pull), 2))
        found[name] = {
            "verdict": verdict.text,
            "n_tests": verdict.n_tests,
            "n_rejected": verdict.n_rejected,
            "worst": None if verdict.worst is None else verdict.worst.label,
            "seconds": round(outcome.seconds, 1),
            "largest pull": pulls,
            "tests": {
                f"{t.metric} {t.target}".strip(): t.p_adjusted
                for t in outcome.tests
                if t.p_adjusted <= LEVEL
            },
        }
        save()
        print(name, verdict.text, flush=True)


def assess_split(seed: int, distortion: str | None, *, verdict_only: bool = False):
    """Run the `full` suite on one split of zn-test."""
    from caloforge.data import load_sample
    from caloforge.metrics import make_trial
    from caloforge.metrics.distortions import distortions
    from caloforge.metrics.suites import assess

    test, training = load_sample("zn-test"), load_sample("zn-train")
    reference, other = split(test, seed, 440)
    rng = np.random.default_rng([seed, 1])
    if distortion is not None:
        other = distortions(test.geometry, training)[distortion].apply(other, rng)
    trial = make_trial(reference, {"distorted": other}, rng=rng)
    return assess(trial, "full", seed=seed, training=training, verdict_only=verdict_only)


def run(name: str, study) -> None:
    """Run a study, keeping what is done."""
    from caloforge.training.provenance import provenance

    path = RESULTS / f"{name}.json"
    stored = read_json(path) if path.exists() else {"found": {}}

    def save() -> None:
        stored["provenance"] = provenance()
        RESULTS.mkdir(parents=True, exist_ok=True)
        write_json(path, stored)

    study(stored["found"], save)


def main() -> None:
    """Run what is missing, then draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", action="store_true", help="only draw the tables")
    studies = {"sizes": study_sizes, "full": study_full, "splits": study_splits}
    parser.add_argument("--only", nargs="*", choices=studies, default=list(studies))
    options = parser.parse_args()
    if not options.table:
        import torch

        torch.set_num_threads(1)
        for name in options.only:
            run(name, studies[name])
    from power_tables import draw

    draw(RESULTS)


if __name__ == "__main__":
    main()
