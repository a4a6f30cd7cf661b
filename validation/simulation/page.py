"""Write the tables of docs/simulation-trust.md from the committed results.

python validation/simulation/page.py

Replaces what stands between ``<!-- table NAME -->`` and ``<!-- end NAME -->``.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from common import RESULTS, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGE = ROOT / "docs" / "simulation-trust.md"
SPEED = ROOT / "benchmarks" / "results" / "simulate.json"
NAMES = {"gamma": "γ", "pi+": "π+", "pi-": "π-", "K(L)0": "K0L"}


def read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"simulation-{name}.json").read_text())


def pm(value: float | None, error: float | None, digits: int = 2, factor: float = 1) -> str:
    if value is None or error is None:
        return "-"
    return f"{factor * value:.{digits}f} ± {factor * error:.{digits}f}"


def limit(fitted: dict[str, Any]) -> str:
    """Constant term in %, or its limit if it is less than two standard deviations."""
    if fitted["b2"]["value"] > 2 * fitted["b2"]["error"]:
        return pm(fitted["b"]["value"], fitted["b"]["error"], 1, 100)
    return f"< {100 * fitted['b_below']:.0f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def origin(result: dict[str, Any]) -> str:
    found = result.get("provenance", result)
    return f"\n\n{found['date'][:10]}, commit {found['commit']}; Geant4 run data substituted."


def agreement() -> str:
    result = read("reference")
    shown = ("total", "lit_cells", "width", "peak_cell", "channel 5", "edge_light")
    rows = []
    for detector in ("zn", "zp"):
        for row in result.get(detector, {}).get("ratios", []):
            whole = row["low_gev"] == 0 and row["high_gev"] > 300
            if whole or row["kind"] == "all":
                low, high = row["low_gev"], row["high_gev"]
                energy = "" if whole else f", {low:.0f}-{high:.0f} GeV"
                name = NAMES.get(row["kind"], row["kind"])
                rows.append([
                    f"{detector.upper()} {name}{energy}", str(row["particles"]),
                    *(pm(row[k]["ratio"], row[k]["error"]) for k in shown),
                ])  # fmt: skip
    head = ["caloforge / reference", "particles", "photon sum", "lit cells", "width",
            "largest cell", "channel 5", "outermost cells"]  # fmt: skip
    return table(head, rows) + origin(result)


def tests() -> str:
    result = read("reference")
    rows = []
    for detector in ("zn", "zp"):
        if detector not in result:
            continue
        found = result[detector]
        classifier = found["classifier"]
        smallest = min(
            (
                (p, t["kind"], t["observable"], n)
                for t in found["tests"]
                for n, p in t["p"].items()
            )
        )
        ours, floor, spoilt = (
            classifier[k]
            for k in ("ours_against_reference", "reference_against_reference", "spoilt")
        )
        empty = found["empty"]
        empties = f"{empty['ours']} of {empty['of_ours']}; "
        empties += f"{empty['reference']} of {empty['of_reference']}"
        ours_largest, largest = (found["largest_cell"][k] for k in ("ours", "reference"))
        rows.append([
            detector.upper(), str(found["tests_made"]),
            f"{smallest[0]:.4f} ({smallest[1]}, {smallest[2]}, {smallest[3]})",
            f"{found['smallest_holm_p']:.3f}", pm(ours["auc"], ours["error"], 3),
            pm(floor["auc"], floor["error"], 3), pm(spoilt["auc"], spoilt["error"], 3),
            empties, f"{max(ours_largest)}; {min(largest)} to {max(largest)}",
        ])  # fmt: skip
    head = ["", "tests", "smallest p", "after Holm", "AUC", "AUC of the reference itself",
            "AUC of 10 % more light", "empty: here; reference",
            "largest cell of a repeat: here; reference"]  # fmt: skip
    return table(head, rows) + origin(result)


def steps() -> str:
    result = read("steps")
    names = (
        "length over time", "slowing down", "mean of start and end", "direction at start",
        "straight length",
    )  # fmt: skip
    rows = [
        [
            f"{r['kind']} {r['gev']} GeV", f"{r['em']}, {r['cut_mm']} mm", r["geometry"],
            pm(*r["photons_with_velocity_at_start"], 1),
            *(pm(*r["over_velocity_at_start"][k], 3) for k in names),
        ]
        for r in result["rows"]
    ]  # fmt: skip
    head = ["", "EM option, cut", "geometry", "photons, velocity at start", *names]
    return table(head, rows) + origin(result)


def response() -> str:
    result = read("response")
    factor = result["alice"]["factor"]
    rows = [
        [
            NAMES.get(kind, kind), f"{r['gev']:g}", str(r["showers"]),
            pm(r["per_gev"], r["error"], 3), pm(r["per_gev"], r["error"], 3, 1 / factor),
            pm(r["resolution"], r["resolution_error"], 1, 100),
            f"{100 * max(r['squared_without_counting'], 0) ** 0.5:.1f}",
        ]
        for kind, some in result["light"].items()
        for r in some
    ]  # fmt: skip
    head = ["", "GeV", "showers", "photons/GeV", f"the same / {factor:.3f}",
            "σ/mean [%]", "without counting noise [%]"]  # fmt: skip
    return table(head, rows) + origin(result)


def against_alice() -> str:
    result = read("response")
    rows = []
    for kind, found in result["alice"]["kinds"].items():
        theirs = found["alice"]
        text = "-".join(str(v) for v in theirs) if isinstance(theirs, list) else str(theirs)
        fitted, linear = result["resolution"][kind], result["linearity"][kind]
        rows.append([
            NAMES.get(kind, kind), pm(found["scaled_mean"], found["error"]), text,
            pm(fitted["a"]["value"], fitted["a"]["error"], 2),
            limit(fitted),
            f"{fitted['chi2']:.1f} / {fitted['ndf']}",
            f"{linear['chi2']:.1f} / {linear['ndf']}",
        ])  # fmt: skip
    over_cell = result["alice"]["gamma anywhere in a cell"]
    text = pm(over_cell["scaled"], over_cell["error"])
    rows.append(["γ of 50 GeV, mean over a cell", text, rows[1][2], "", "", "", ""])
    head = ["", "photons/GeV, scaled", "ALICE", "a [√GeV]", "b [%]", "χ²/ndf of the resolution",
            "χ²/ndf of a constant response"]  # fmt: skip
    return table(head, rows) + origin(result)


def cell() -> str:
    result = read("response")
    rows = [
        [
            r["where"], str(r["showers"]), pm(r["per_gev"], r["error"]),
            pm(r["resolution"], r["resolution_error"], 1, 100),
        ]
        for r in result["in_the_cell"]
    ]  # fmt: skip
    head = ["γ of 50 GeV enter", "showers", "photons/GeV", "σ/mean [%]"]
    return table(head, rows) + origin(result)


def e_over_h() -> str:
    result = read("response")["e_over_h"]
    rows = [
        [
            NAMES.get(kind, kind), f"{result[kind]['fits'][0]['ndf']}",
            *(
                f"{pm(f['e_over_h'], f['error'], 1)} ({f['chi2']:.1f})"
                for f in result[kind]["fits"]
            ),
        ]
        for kind in ("n", "pi+", "p")
    ]  # fmt: skip
    ks = [f"k = {f['k']} (χ²)" for f in result["n"]["fits"]]
    return table(["e/h from", "ndf", *ks], rows) + origin(read("response"))


def deposits() -> str:
    result = read("response")
    rows = [
        [
            {"zn-block": "as the ZN", "zn-wide": "60 cm wide"}[name],
            f"{NAMES.get(r['kind'], r['kind'])} {r['gev']:g} GeV", str(r["showers"]),
            pm(r["deposited"], r["error"], 1, 100), f"{100 * r['spread']:.1f}",
            f"{r['depth_of_half_cm']:.1f}", f"{r['depth_of_95_percent_cm']:.0f}",
            f"{r['radius_of_90_percent_cm']:.2f}",
        ]
        for name, some in result["deposits"].items()
        for r in some
    ]  # fmt: skip
    head = ["block", "", "showers", "deposited [%]", "spread [%]", "half of it within [cm]",
            "95 % of it within [cm]", "90 % within radius [cm]"]  # fmt: skip
    return table(head, rows) + origin(result)


def settings() -> str:
    result = read("settings")
    rows = []
    for r in result["rows"]:
        row = [f"{r['physics']}, {r['em']}, {r['cut_mm']:g} mm"]
        if "left_out" in r:
            rows.append([*row, "run data lack", "its files", *[""] * 6])
            continue
        electron, neutron = r.get("e-"), r["n"]
        row += [pm(*electron["photons_per_gev"]) if electron else "as above"]
        row += [pm(*neutron["photons_per_gev"], 3)]
        for name, digits in (("width_cm", 2), ("lit_cells", 1), ("cpu_seconds_per_gev", 4)):
            for found in (electron, neutron):
                row.append(pm(*found[name], digits) if found else "")
        rows.append(row)
    head = ["", "e- light/GeV", "n light/GeV", "e- width [cm]", "n width [cm]", "e- lit cells",
            "n lit cells", "e- CPU s/GeV", "n CPU s/GeV"]  # fmt: skip
    return table(head, rows) + origin(result)


def speed() -> str:
    result = json.loads(SPEED.read_text())
    parts = []
    if "cost" in result:
        rows = [
            [
                f"{r['detector']} {NAMES.get(r['kind'], r['kind'])} {r['gev']:g} GeV",
                pm(r["cpu_seconds_per_gev"], r["error"], 4), f"{r['worker_mb']:.0f}",
                f"{r['load']:.1f}",
            ]
            for r in result["cost"]["found"]
        ]  # fmt: skip
        head = ["", "CPU s/GeV", "memory of the process [MB]", "load of the 2 cores"]
        parts.append(table(head, rows) + origin(result["cost"]))
    if "callbacks" in result:
        rows = [
            [
                f"{r['detector']} {NAMES.get(r['kind'], r['kind'])} {r['gev']:g} GeV",
                str(r["rounds"]), pm(r["share"], r["error"], 1, 100), f"{r['load']:.1f}",
            ]
            for r in result["callbacks"]["found"]
        ]  # fmt: skip
        head = ["", "rounds", "time in callbacks [%]", "load"]
        parts.append(table(head, rows) + origin(result["callbacks"]))
    return "\n\n".join(parts)


def main() -> None:
    text = PAGE.read_text()
    makers: dict[str, Callable[[], str]] = {
        "agreement": agreement, "tests": tests, "steps": steps, "response": response,
        "alice": against_alice, "cell": cell, "e_over_h": e_over_h,
        "deposits": deposits, "settings": settings, "speed": speed,
    }  # fmt: skip
    for name, make in makers.items():
        try:
            made = make()
        except (FileNotFoundError, KeyError) as error:
            print(f"{name}: left as it is, {error!r}")
            continue
        pattern = rf"(<!-- table {name} -->\n).*?(<!-- end {name} -->)"
        text, n = re.subn(
            pattern, lambda m, made=made: f"{m[1]}{made}\n{m[2]}", text, flags=re.DOTALL
        )
        print(f"{name}: {n}")
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
