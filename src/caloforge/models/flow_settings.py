"""How a flow is trained and followed."""

from __future__ import annotations

from dataclasses import dataclass

from caloforge.models.checks import check_choice, check_positive
from caloforge.nn.ode import SOLVERS

COUPLINGS = ("independent", "transport")


@dataclass(frozen=True)
class FlowPlan:
    """How paths are drawn in training, and followed in generation.

    Attributes:
        steps: Steps of the solver.
        solver: One of `caloforge.nn.ode.SOLVERS`.
        end: Time at which the flow is left.
        latest: Latest time in training.
        last_share: Share of the training places at the latest time; the others have times that
            are uniform up to it.
        condition_weight: Of the condition in the plan that pairs noise and data; ``None``
            pairs them at random.
        shortcut: Whether the network is told the length of a step.
    """

    steps: int
    solver: str
    end: float
    latest: float
    last_share: float = 0.0
    condition_weight: float | None = None
    shortcut: bool = False


@dataclass(frozen=True)
class FlowSettings:
    """What the settings of flow matching models have in common.

    Attributes:
        steps: Steps of the solver in generation.
        solver: ``"euler"``, ``"midpoint"`` or ``"heun"``; the two latter ask the network twice
            a step.
        coupling: ``"independent"``, or ``"transport"``, which pairs noise and data of a batch
            by exact optimal transport.
        condition_weight: Factor of the squared distance of scaled conditions in the cost of
            that transport.
    """

    steps: int = 8
    solver: str = "euler"
    coupling: str = "independent"
    condition_weight: float = 100.0

    def __post_init__(self) -> None:
        check_positive("model", steps=self.steps)
        check_positive("model", zero=True, condition_weight=self.condition_weight)
        check_choice("model.solver", self.solver, SOLVERS)
        check_choice("model.coupling", self.coupling, COUPLINGS)

    def plan(
        self,
        *,
        end: float = 1.0,
        latest: float = 0.99,
        last_share: float = 0.0,
        shortcut: bool = False,
    ) -> FlowPlan:
        """Describe paths; arguments as in `FlowPlan`."""
        return FlowPlan(
            steps=self.steps,
            solver=self.solver,
            end=end,
            latest=latest,
            last_share=last_share,
            condition_weight=self.condition_weight if self.coupling == "transport" else None,
            shortcut=shortcut,
        )
