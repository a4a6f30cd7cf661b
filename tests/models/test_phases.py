"""What every phase of every model promises to the training loop."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from tests.models.conftest import ROWS, config_of
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from caloforge.errors import ConfigError
from caloforge.types import ShowerBatch


def built(case, showers_of):
    name, detector, network, cells = case
    showers = showers_of(detector)
    return showers, showers.build(config_of(name, network, cells))


def taken_back(model: nn.Module) -> set[int]:
    """Biases that a batch normalisation takes back: nothing depends on them."""
    found = set()
    for layers in model.modules():
        if isinstance(layers, nn.Sequential):
            for layer, after in pairwise(layers):
                if isinstance(after, _BatchNorm):
                    found.add(id(layer.bias))
    if isinstance(getattr(model, "code_activation", None), _BatchNorm):
        last = [m for m in model.encoder.modules() if isinstance(m, nn.Linear)][-1]
        found.add(id(last.bias))
    return found


def test_each_parameter_learns_in_exactly_one_phase(case, showers_of) -> None:
    showers, model = built(case, showers_of)
    check_learning(model, showers.batch)


def test_tracks_learn_all_they_have_or_are_refused(name, showers_of) -> None:
    """The width of their law is learned by a likelihood, which some models lack."""
    showers = showers_of("zn")
    config = replace(config_of(name), cells="tracks")
    if ROWS[name].model in ("dcgan", "sdi-gan", "flow-matching"):
        with pytest.raises(ConfigError, match="cells: found 'tracks', expected 'poisson'"):
            showers.build(config)
    else:
        check_learning(showers.build(config), showers.batch)


def check_learning(model, batch: ShowerBatch) -> None:
    """Each parameter belongs to one phase, and has a gradient there."""
    trained = [id(p) for phase in model.phases() for p in phase.parameters()]
    assert sorted(trained) == sorted(id(p) for p in model.parameters())
    assert all(p.numel() for p in model.parameters())
    idle = taken_back(model)
    for phase in model.phases():
        model.zero_grad()
        rng = torch.Generator().manual_seed(0)
        objective = phase.objective(batch, rng)
        assert all(not term.requires_grad for term in objective.terms.values())
        assert objective.total.ndim == 0
        objective.total.backward()
        for name, p in model.named_parameters():
            if any(p is own for own in phase.parameters()):
                assert torch.isfinite(p.grad).all(), name
                assert id(p) in idle or p.grad.abs().sum() > 0, name


def test_objective_is_set_by_the_generator(case, showers_of) -> None:
    showers, model = built(case, showers_of)
    model.eval()
    for phase in model.phases():
        first, again, other = (
            phase.objective(showers.batch, torch.Generator().manual_seed(seed))
            for seed in (5, 5, 6)
        )
        assert torch.equal(first.total, again.total)
        same = all(torch.equal(first.terms[key], term) for key, term in other.terms.items())
        assert same == (phase.name in ROWS[case[0]].certain)


def test_validation_needs_no_gradient_and_leaves_no_trace(case, showers_of) -> None:
    showers, model = built(case, showers_of)
    model.eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        for phase in model.phases():
            rng = torch.Generator().manual_seed(5)
            assert torch.isfinite(phase.objective(showers.batch, rng).total)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_validation_may_end_with_a_single_shower(name, network, showers_of) -> None:
    """As the last batch of a validation set does when the batch size leaves one over."""
    showers = showers_of("zn")
    model = showers.build(config_of(name, network)).eval()
    one = ShowerBatch(*(part[:1] for part in showers.batch))
    with torch.no_grad():
        for phase in model.phases():
            objective = phase.objective(one, torch.Generator().manual_seed(5))
            assert torch.isfinite(objective.total)
            assert all(torch.isfinite(term) for term in objective.terms.values())
