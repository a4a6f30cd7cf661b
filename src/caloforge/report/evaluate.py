"""Read a reference and generated samples, check that they fit, and compare them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge import __version__
from caloforge.data import ShowerSample, read_showers, resolve
from caloforge.errors import GeometryError
from caloforge.generation import load
from caloforge.metrics import METRICS, Comparison, Trial, compare, make_trial
from caloforge.metrics.assessment import Assessment
from caloforge.metrics.shower.catalogue import MAX_LAYERS
from caloforge.metrics.suites import assess, find_suite
from caloforge.report.provenance import checksum, origin, record
from caloforge.report.selections import selection_warnings
from caloforge.training.bundle_names import is_bundle, resolve_file_or_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from caloforge.metrics.suites import Say


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A comparison with the samples behind it.

    Attributes:
        comparison: All figures.
        trial: The showers that took part.
        reference: Full simulation.
        generated: Generated samples by name.
        seed: Seed of resamplings, permutations and classifiers.
        assessment: What a suite found beyond that; ``None`` if none was run.
        provenance: Program, versions and files, as the block of ``metrics.json``.
    """

    comparison: Comparison
    trial: Trial
    reference: ShowerSample
    generated: Mapping[str, ShowerSample]
    seed: int
    assessment: Assessment | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cpu_seconds(self) -> dict[str, float]:
        """Mean time of a shower on one core in s, for the samples that state it."""
        samples = {"reference": self.reference, **self.generated}
        return {
            name: float(sample.cpu_seconds.mean())
            for name, sample in samples.items()
            if sample.cpu_seconds is not None
        }

    @property
    def warnings(self) -> dict[str, str]:
        """What must be said of generated samples beside their figures, by name."""
        return dict(self.provenance.get("warnings", {}))

    @property
    def outcome(self) -> Assessment:
        """The assessment; without one, that of no suite: the comparison's figures alone."""
        if self.assessment is not None:
            return self.assessment
        return Assessment(
            suite="",
            comparison=self.comparison,
            definitions=tuple(METRICS.values()),
            figures=tuple(self.comparison.figures()),
            curves=(),
            tests=(),
            verdicts=(),
            differences=(),
            regions=(),
            seconds=0.0,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the content of ``metrics.json``, as ``metrics.schema.json`` describes it."""
        table = {
            **self.comparison.as_dict(),
            "caloforge": __version__,
            "seed": self.seed,
            "cpu_seconds_per_shower": self.cpu_seconds,
            "provenance": self.provenance,
            **self.outcome.as_dict(),
        }
        plain: dict[str, Any] = _plain(table)
        return plain


def evaluate_files(
    reference: str | Path,
    generated: Mapping[str, str | Path],
    *,
    suite: str | None = None,
    convention: str | None = None,
    cut: float = 0.0,
    training: str | Path | None = None,
    network: Path | None = None,
    seed: int = 0,
    say: Say | None = None,
) -> Evaluation:
    """Compare shower files; `evaluate_samples` with the files read first.

    Arguments:
        reference: Shower file of full simulation, or the name of a sample that comes along.
        generated: Shower files by the name that they shall have in tables. A bundle, by folder
            or by name, stands for its showers of the reference's particles.
        suite: One of `caloforge.metrics.suites.SUITES`, or ``"auto"`` for the detector's;
            without one there are the talk's and the conditional figures alone, and no verdict.
        convention: Channel convention, by default the geometry's first.
        cut: Least total response of the showers that take part.
        training: Showers that the generators were trained on, to find memorised ones.
        network: ONNX file of a feature network for a further FID.
        seed: Of generation by bundles, resamplings, permutations and classifiers.
        say: Called with the title of each step, its number from 0, and how many there are.

    Raises:
        BundleError: If a bundle is unusable.
        DataFormatError: If a file is missing or unusable, or nothing pairs.
        GeometryError: If the files are of different detectors.
        ConfigError: If an option is out of range.
    """
    given = [reference, *([] if training is None else [training])]
    sha256 = {str(path): checksum(resolve(path)) for path in given}
    sha256 |= {str(p): checksum(resolve_file_or_bundle(p)) for p in generated.values()}
    full = _read(reference)
    samples = {name: _made(path, full, seed) for name, path in generated.items()}
    trained = None if training is None else _read(training)
    evaluation = evaluate_samples(
        full,
        samples,
        suite=suite,
        convention=convention,
        cut=cut,
        training=trained,
        network=network,
        seed=seed,
        say=say,
    )
    files = _records(evaluation.reference, samples, trained, sha256)
    return replace(evaluation, provenance={**evaluation.provenance, "files": files})


def evaluate_samples(
    reference: ShowerSample,
    generated: Mapping[str, ShowerSample],
    *,
    suite: str | None = None,
    convention: str | None = None,
    cut: float = 0.0,
    training: ShowerSample | None = None,
    network: Path | None = None,
    seed: int = 0,
    say: Say | None = None,
) -> Evaluation:
    """Compare generated samples with full simulation of the same particles.

    Arguments:
        reference: Full simulation.
        generated: Generated samples, by the name that they shall have in tables.
        suite: One of `caloforge.metrics.suites.SUITES`, or ``"auto"`` for the detector's;
            without one there are the talk's and the conditional figures alone, and no verdict.
        convention: Channel convention, by default the geometry's first.
        cut: Least total response of the showers that take part.
        training: Showers that the generators were trained on, to find memorised ones.
        network: ONNX file of a feature network for a further FID.
        seed: Of resamplings, permutations and classifiers.
        say: Called with the title of each step, its number from 0, and how many there are.

    Raises:
        DataFormatError: If nothing pairs.
        GeometryError: If the samples are of different detectors.
        ConfigError: If an option is out of range.
    """
    geometry = reference.geometry
    chosen = find_suite(suite, geometry)
    if training is not None and not geometry.same_cells(training.geometry):
        msg = (
            f"{training.source}: found cells of detector '{training.geometry.name}', expected "
            f"those of '{geometry.name}' as in {reference.source}; give the showers that the "
            "generators were trained on"
        )
        raise GeometryError(msg)
    rng = np.random.default_rng(seed)
    trial = make_trial(
        reference,
        generated,
        rng=rng,
        convention=convention,
        cut=cut,
        max_layers=None if chosen == "calochallenge" else MAX_LAYERS,
    )
    warnings = selection_warnings(reference, generated, cut=cut)
    made_of = origin(_records(reference, generated, training), warnings)
    if chosen is None:
        comparison, assessment = compare(trial, rng=rng), None
    else:
        assessment = assess(
            trial, chosen, seed=seed, network=network, training=training, say=say
        )
        comparison = assessment.comparison
    return Evaluation(comparison, trial, reference, dict(generated), seed, assessment, made_of)


def _records(
    reference: ShowerSample,
    generated: Mapping[str, ShowerSample],
    training: ShowerSample | None,
    sha256: Mapping[str, str | None] | None = None,
) -> list[dict[str, Any]]:
    """Describe all samples; checksums by source, of those that were read from files."""
    found = [record("reference", "reference", reference, sha256)]
    found += [record("generated", name, s, sha256) for name, s in generated.items()]
    if training is not None:
        found.append(record("training", "training", training, sha256))
    return found


def _read(name_or_path: str | Path) -> ShowerSample:
    """Read a shower file; tables and messages call it what the user called it."""
    return replace(read_showers(resolve(name_or_path)), source=str(name_or_path))


def _made(name_or_path: str | Path, reference: ShowerSample, seed: int) -> ShowerSample:
    """Read a shower file, or let a bundle make showers for the reference's particles."""
    if not is_bundle(name_or_path):
        return _read(name_or_path)
    simulation = load(name_or_path)
    if not simulation.geometry.same_cells(reference.geometry):
        msg = (
            f"{name_or_path}: makes showers of detector '{simulation.geometry.name}', expected "
            f"'{reference.geometry.name}' as in {reference.source}; take another bundle"
        )
        raise GeometryError(msg)
    made = simulation.generate(reference.particles, seed=seed)
    return replace(made, source=str(name_or_path))


def _plain(value: Any) -> Any:  # noqa: ANN401 - anything that JSON can hold
    """Turn NumPy's numbers into Python's, tuples into lists, and what is not finite to null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
