"""Memory or stream: the decision and its numbers."""

from __future__ import annotations

import pytest

from caloforge.data.feeding import loading
from caloforge.data.feeding.loading import Loading
from caloforge.errors import ConfigError

MIB = 1024**2


def test_auto_takes_a_quarter_of_the_free_memory(monkeypatch) -> None:
    monkeypatch.setattr(loading, "free_memory", lambda: 400 * MIB)
    monkeypatch.setattr(loading, "total_memory", lambda: 1600 * MIB)
    assert Loading().decided(100 * MIB) == "memory"
    assert Loading().decided(101 * MIB) == "stream"
    # Several processes hold a copy each, and must agree whenever they ask.
    assert Loading().decided(200 * MIB, processes=2) == "memory"
    assert Loading().decided(201 * MIB, processes=2) == "stream"
    assert Loading("stream").decided(1) == "stream"
    assert Loading("memory").decided(10**15) == "memory"


def test_buffer_is_shared_out() -> None:
    plan = Loading(buffer_mb=8)
    assert plan.pool_bytes == 3 * MIB  # two of them
    assert plan.holds_validation(2 * MIB)
    assert not plan.holds_validation(2 * MIB + 1)
    assert plan.holds_particles(2 * MIB)
    assert not plan.holds_particles(2 * MIB + 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "disk"}, "data.loading: found 'disk', expected one of auto, memory, stream"),
        ({"buffer_mb": 0}, "data.buffer_mb: found 0, expected 1 or more"),
        ({"workers": -1}, "data.workers: found -1, expected 0 or more"),
    ],
)
def test_wrong_settings(settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        Loading(**settings)


def test_memory_of_this_machine() -> None:
    assert 2**24 < loading.free_memory() <= loading.total_memory() < 2**50


def test_a_container_has_the_memory_that_it_was_given(monkeypatch) -> None:
    limits = {"memory.max": 300 * MIB, "memory.current": 100 * MIB}
    monkeypatch.setattr(loading, "_number", limits.get)
    assert loading.total_memory() == 300 * MIB
    assert loading.free_memory() == 200 * MIB
