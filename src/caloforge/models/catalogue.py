"""The models by name: ours, and those that installed packages bring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Protocol, cast

from caloforge.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from caloforge.nn import ShowerSpec

GROUP = "caloforge.models"
"""Group of the entry points through which a package brings models."""


class ModelConfig(Protocol):
    """Settings of a model: a frozen dataclass that can build it."""

    def build(self, spec: ShowerSpec) -> nn.Module:
        """Make the untrained model, a `TrainableGenerator` that is a torch module.

        Raises:
            ConfigError: If the settings do not fit the detector.
        """
        ...


class ModelCatalogue(Mapping[str, type[ModelConfig]]):
    """Settings classes by the name that a run file gives.

    Two packages that bring one name are told when that name is asked for.

    A package that is installed beside caloforge adds a model with an entry point of the group
    ``caloforge.models``; it is imported when a run file or a bundle names it, not before.

    Arguments:
        own: Our models; no package can take their names.
    """

    def __init__(self, own: Mapping[str, type[ModelConfig]]) -> None:
        self.own = own

    def __getitem__(self, name: str) -> type[ModelConfig]:
        """Return a settings class.

        Raises:
            KeyError: If there is no model of that name.
            ConfigError: If the package that brings it cannot be imported, what it brings is no
                settings class, or several packages bring it.
        """
        if name in self.own:
            return self.own[name]
        found = self._installed()[name]
        if len(found) > 1:
            packages = " and ".join(f"'{_package(point)}' ({point.value})" for point in found)
            msg = (
                f"model '{name}': found in the packages {packages}, expected it in one; "
                "uninstall the other"
            )
            raise ConfigError(msg)
        return _loaded(found[0])

    def __iter__(self) -> Iterator[str]:
        """Names, ours first."""
        yield from self.own
        yield from self._installed()

    def __len__(self) -> int:
        """Count the models."""
        return len(self.own) + len(self._installed())

    def __contains__(self, name: object) -> bool:
        """Whether there is a model of that name; imports nothing."""
        return name in self.own or name in self._installed()

    def _installed(self) -> dict[str, list[EntryPoint]]:
        """Entry points by name; equal ones of a package once."""
        found: dict[str, dict[tuple[str, str], EntryPoint]] = {}
        for point in entry_points(group=GROUP):
            if point.name not in self.own:
                found.setdefault(point.name, {})[_package(point), point.value] = point
        return {name: list(points.values()) for name, points in found.items()}


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"


def _loaded(point: EntryPoint) -> type[ModelConfig]:
    where = f"model '{point.name}' ({point.value})"
    try:
        config = point.load()
    except Exception as error:  # whatever a foreign package does
        msg = f"{where}: cannot be imported ({error}); repair or reinstall its package"
        raise ConfigError(msg) from error
    if not (isinstance(config, type) and is_dataclass(config) and hasattr(config, "build")):
        msg = (
            f"{where}: found no settings class, expected a frozen dataclass with a method "
            "'build(spec)'; see docs/bring-a-model.md"
        )
        raise ConfigError(msg)
    return cast("type[ModelConfig]", config)
