"""Fast calorimeter simulation: Geant4 showers in, a measured generative model out."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "FastSimulation",
    "Particles",
    "ShowerSample",
    "__version__",
    "evaluate_files",
    "load",
    "load_geometry",
    "load_run",
    "load_sample",
    "read_particles",
    "read_showers",
    "train",
]

if TYPE_CHECKING:
    from caloforge.config import load_run
    from caloforge.data import (
        Particles,
        ShowerSample,
        load_sample,
        read_particles,
        read_showers,
    )
    from caloforge.generation import FastSimulation, load
    from caloforge.geometry import load_geometry
    from caloforge.report import evaluate_files
    from caloforge.training.run import train
else:
    # Loaded when asked for: `import caloforge` shall not wait for PyTorch.
    _HOMES = {
        "FastSimulation": "generation",
        "Particles": "data",
        "ShowerSample": "data",
        "evaluate_files": "report",
        "load": "generation",
        "load_geometry": "geometry",
        "load_run": "config",
        "load_sample": "data",
        "read_particles": "data",
        "read_showers": "data",
        "train": "training.run",
    }

    def __getattr__(name: str) -> object:
        """Load a public name from its module."""
        if name not in _HOMES:
            msg = f"module 'caloforge' has no attribute '{name}'"
            raise AttributeError(msg)
        from importlib import import_module

        value = getattr(import_module(f"caloforge.{_HOMES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        """Return the public names, loaded or not."""
        return sorted({*globals(), *__all__})
