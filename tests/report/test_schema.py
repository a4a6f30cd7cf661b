"""metrics.json is what its schema says, and metrics.csv holds the same figures."""

from __future__ import annotations

import csv
import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from caloforge.metrics.results import VERSION
from caloforge.report import Evaluation
from caloforge.report.content import Content
from caloforge.report.spreadsheet import COLUMNS, csv_text

SCHEMA = json.loads((files("caloforge.report") / "metrics.schema.json").read_text("utf-8"))


def closed(schema: Any) -> Any:
    """Forbid keys that the schema does not describe."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    if "properties" in schema and schema.get("type") == "object":
        made["additionalProperties"] = False
    return made


@pytest.mark.parametrize("which", ["assessed", "grid_evaluation", "cylinder_assessed"])
def test_content_is_as_the_schema_says(which: str, request: pytest.FixtureRequest) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    evaluation: Evaluation = request.getfixturevalue(which)
    table = json.loads(json.dumps(evaluation.as_dict(), allow_nan=False))
    jsonschema.Draft202012Validator(closed(SCHEMA)).validate(table)
    assert table["version"] == VERSION == SCHEMA["properties"]["version"]["const"]
    assert all(table["figures"])
    named = {d["name"] for d in table["definitions"]}
    assert {f["metric"] for f in table["figures"]} <= named
    assert {t["metric"] for t in table["tests"]} <= named


def test_the_schema_refuses_another_verdict(assessed: Evaluation) -> None:
    table = json.loads(json.dumps(assessed.as_dict()))
    table["verdicts"][0]["text"] = "quite good"
    with pytest.raises(jsonschema.ValidationError, match="quite good"):
        jsonschema.validate(table, SCHEMA)


def test_csv_has_one_line_a_figure(assessed: Evaluation) -> None:
    text = csv_text(Content(assessed))
    rows = list(csv.DictReader(text.splitlines()))
    assert tuple(rows[0]) == COLUMNS
    figures = assessed.outcome.figures
    assert len(rows) == len(figures)
    for row, figure in zip(rows, figures, strict=True):
        assert (row["sample"], row["metric"]) == (figure.sample, figure.metric)
        if figure.value is None:
            assert row["value"] == row["error"] == ""
        else:
            assert float(row["value"]) == figure.value.value
            known = figure.value.error > 0
            assert row["error"] == (repr(float(figure.value.error)) if known else "")
        assert row["passed"] in {"", "true", "false"}
    judged = {row["passed"] for row in rows if row["metric"] == "toy_response"}
    assert judged == {"true", "false", ""}
