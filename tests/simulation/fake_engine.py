"""Engines without Geant4: named in tests as ``"fake_engine:Engine"``, found by PYTHONPATH."""

import os
import signal
import time
from pathlib import Path

import numpy as np


class Engine:
    """Makes showers of the seed and the energy alone."""

    def __init__(self, setup):
        self.geometry = setup.geometry
        print("a program that prints to stdout")  # noqa: T201 - as some engines do
        os.write(1, b"and one that does so below Python\n")

    def check(self, particles):
        pass

    def description(self):
        return {"program": "fake", "release": int(os.environ.get("FAKE_RELEASE", "1"))}

    def shower(self, particles, row, seed):
        rng = np.random.default_rng(seed)
        mean = particles["energy_gev"][row] * rng.random(self.geometry.n_cells) ** 50
        return rng.poisson(mean).astype(np.uint32)


def first_time(seed):
    """Whether no process has said this of the seed before."""
    path = Path(os.environ["FAKE_ENGINE"]) / f"seen-{seed}"
    if path.exists():
        return False
    path.write_text("")
    return True


class Dying(Engine):
    """Is killed by every third shower, the first time."""

    def shower(self, particles, row, seed):
        if seed % 3 == 0 and first_time(seed):
            os.write(2, b"last words of the engine\n")
            os.kill(os.getpid(), signal.SIGKILL)
        return super().shower(particles, row, seed)


class Deadly(Engine):
    """Never survives some showers."""

    def shower(self, particles, row, seed):
        if seed % 7 == 0:
            os.write(1, b"G4Exception: something\n  was wrong\n")
            os.abort()
        return super().shower(particles, row, seed)


class Slow(Engine):
    """Takes its time."""

    def shower(self, particles, row, seed):
        (Path(os.environ["FAKE_ENGINE"]) / f"child-{os.getpid()}").touch()
        time.sleep(0.05)
        return super().shower(particles, row, seed)


class Stuck(Engine):
    """Waits for ever at every third shower, until there is a file ``go``."""

    def shower(self, particles, row, seed):
        folder = Path(os.environ["FAKE_ENGINE"])
        (folder / f"child-{os.getpid()}").touch()
        while seed % 3 == 0 and not (folder / "go").exists():
            time.sleep(0.01)
        return super().shower(particles, row, seed)


class Bright(Engine):
    """Has one cell beyond 16 bits."""

    def shower(self, particles, row, seed):
        shower = super().shower(particles, row, seed)
        shower[3] = 70_000
        return shower


class Broken(Engine):
    """Makes nonsense."""

    def shower(self, particles, row, seed):
        return np.full(self.geometry.n_cells, np.nan)


class Raising(Engine):
    """Has a bug."""

    def shower(self, particles, row, seed):
        return {}["no such key"]


class Unready(Engine):
    """Cannot start."""

    def __init__(self, setup):
        from caloforge.errors import MissingExtraError

        msg = "geant4-pybind is not installed; pip install 'caloforge[sim]'"
        raise MissingExtraError(msg)


class Refusing(Engine):
    """Does not like the particles."""

    def check(self, particles):
        from caloforge.errors import DataFormatError

        msg = f"particles: {len(particles)} of them cannot be simulated"
        raise DataFormatError(msg)


def dying_geant4(setup):
    """Return Geant4 itself, killed by every second shower, the first time."""
    from caloforge.simulation.engine import Engine as Geant4

    class DyingGeant4(Geant4):
        def shower(self, particles, row, seed):
            if seed % 2 == 0 and first_time(seed):
                os.kill(os.getpid(), signal.SIGKILL)
            return super().shower(particles, row, seed)

    return DyingGeant4(setup)
