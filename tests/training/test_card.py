"""Model cards: the range of particles, figures beside floors, speed, limits, licence."""

from __future__ import annotations

import pytest
from tests.bundles import TEST, toy_bundle

from caloforge.training.bundle import add_metrics, read_bundle, read_table, write_bundle
from caloforge.training.card import model_card
from caloforge.training.card_figures import measured_text, rounded, worst_shapes
from caloforge.training.slim import slim


@pytest.fixture
def folder(tmp_path, toy_grid, toy_sample):
    info = {
        "name": "toy",
        "licence": "Apache-2.0",
        "limits": ["Neutrons only on Sundays."],
        "kinds": {"n": {"low_gev": 20.0, "high_gev": 998.0, "particles": 1234}},
        "data": {"full simulation": {"run_data": "substituted"}},
    }
    return write_bundle(tmp_path / "toy", toy_bundle(toy_sample(toy_grid), **info), force=False)


def section(card: str, title: str) -> str:
    return card.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_range_is_in_the_units_of_a_physicist(folder) -> None:
    part = section((folder / "README.md").read_text(), "Conditions and trained range")
    table = read_table(folder)
    features = {f["name"]: f for f in table["conditions"]["features"]}
    # 6 cells of 0.5 cm: the half width is 1.5 cm.
    low, high = (1.5 * features["impact_x"][end] for end in ("low", "high"))
    assert f"| impact point x, from the centre | {low:.2f} to {high:.2f} cm |" in part
    assert "| kinds (PDG code) | gamma (22), pi+ (211), n (2112) |" in part
    assert "| energy of n | 20 to 998 GeV, 1,234 particles |" in part
    assert "mrad |" in part


def test_card_of_a_named_bundle_says_how_to_use_it_by_name(folder) -> None:
    card = (folder / "README.md").read_text()
    assert card.startswith("# toy\n")
    assert "caloforge generate toy particles.csv -o showers.h5" in section(card, "Use")
    assert 'caloforge.load("toy")' in section(card, "Use")
    assert section(card, "Licence").strip() == "Apache-2.0."
    assert "None measured" in section(card, "Metrics")
    assert "\n## Speed\n" not in card


def test_figures_stand_beside_their_floors(folder) -> None:
    add_metrics(folder, {"test": TEST})
    assert read_bundle(folder).info["metrics"]["test"] == TEST
    card = (folder / "README.md").read_text()
    part = section(card, "Metrics")
    assert "| W1 of the channel sums over the floor | 1 | 1.04 ± 0.04 | 1 |" in part
    assert "| photons | 4.4 ± 0.2 | 4.2 ± 0.2 |" in part
    assert "| 0.54 ± 0.02 | 0.492 ± 0.009 |" in part
    assert "| width x: W1 over the floor | 1 | 2.6 ± 0.5 | 1 |" in part
    assert "`toy-test`" in part
    assert "None measured" not in part
    speed = section(card, "Speed")
    assert "| 1 | 810 | 1.2 ms |" in speed
    assert "| 4096 (best) | 11,000 | 95 µs |" in speed
    assert "0.68 s a shower" in speed
    assert "7,200 times as long" in speed


def test_limits_name_what_is_known(folder) -> None:
    add_metrics(folder, {"test": TEST})
    part = section((folder / "README.md").read_text(), "Limits")
    assert part.strip().startswith("- Neutrons only on Sundays.")
    assert "furthest from full simulation: width x (2.6 ± 0.5 floors)." in part
    assert "lit cells" not in part
    assert "run data" not in part
    assert "Its full simulation: substituted." in part
    assert "--strict" in part
    assert "Energies are checked for each kind, all other properties alone" in part
    assert "float16" not in part


def test_limits_of_a_small_bundle(folder, tmp_path) -> None:
    small = slim(read_bundle(folder), weights_dtype="bfloat16", generation_only=True)
    card = (write_bundle(tmp_path / "small", small, force=False) / "README.md").read_text()
    assert "stored in bfloat16 and used in float32" in section(card, "Limits")
    assert "`caloforge explain` cannot look at codes" in section(card, "Limits")


def test_card_is_made_of_bundle_json_alone(folder) -> None:
    assert model_card(read_table(folder)) == (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.0402919, 0.042367, "1.04 ± 0.04"),
        (15.04, 1.96, "15 ± 2"),
        (1234.0, 56.0, "1234 ± 56"),
        (0.5, 0.0, "0.5"),
        (0.461129, 0.00445, "0.461 ± 0.004"),
    ],
)
def test_digits_are_those_that_the_error_allows(value, error, text) -> None:
    assert measured_text({"value": value, "error": error}) == text


def test_numbers_have_two_digits() -> None:
    assert [rounded(x) for x in (10515.2, 812.0, 3.14159, 0.05)] == [
        "11,000",
        "810",
        "3.1",
        "0.05",
    ]


def test_worst_shapes_are_those_beyond_two_errors() -> None:
    ratio = {"value": 1.5, "error": 0.3}
    assert worst_shapes({"shapes": {"width_x": ratio}}) == ""
    sure = {f"s_{k}": {"value": 2.0 + k, "error": 0.1} for k in range(5)}
    assert worst_shapes({"shapes": sure}).startswith("s 4 (6.0 ± 0.1 floors), s 3")
    assert worst_shapes({"shapes": sure}).count("floors") == 3
