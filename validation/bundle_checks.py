"""What a bundle must be to be shipped: of today's run file, and never shown a test particle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from caloforge.errors import BundleError, CaloforgeError

if TYPE_CHECKING:
    from caloforge.config import RunConfig
    from caloforge.training.bundle import Bundle

_FREE = ("title", "seed")  # of a run: they may differ from the run file's
_FREE_TRAINING = ("threads", "devices", "accelerator")


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


def kinds(bundle: Bundle) -> dict[str, dict[str, float]]:
    """Energies and number of incident particles of each kind on the training side."""
    import numpy as np

    from caloforge.data import ShowerFile, partition, resolve

    plan, selection = bundle.run.data.split_plan, bundle.run.data.selection
    with ShowerFile(resolve(bundle.info["data"]["source"])) as file:
        particles = file.particles_at(partition(file, plan, selection).train)
    names, energy, found = particles.kinds(), particles["energy_gev"], {}
    for name in np.unique(names):
        own = names == name
        found[str(name)] = {
            "low_gev": float(energy[own].min()),
            "high_gev": float(energy[own].max()),
            "particles": int(np.unique(particles.incident[own]).size),
        }
    return dict(sorted(found.items(), key=lambda item: -item[1]["particles"]))
