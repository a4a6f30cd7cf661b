"""How many showers a second `caloforge validate` checks.

Run ``python benchmarks/inspection.py FILE...``.

Seconds are those of one core (`time.process_time`), so that other work on the machine hardly
counts; the file is read once before, so that it is in the memory of the system.
"""

from __future__ import annotations

import sys
import time

from caloforge.inspection import inspect_files

for name in sys.argv[1:] or ["zn-train", "cylinder-train"]:
    inspect_files([name])
    start = time.process_time()
    inspection = inspect_files([name])
    seconds = time.process_time() - start
    n = inspection.evidence.n_showers
    print(f"{name}: {n:,} showers, {n / seconds:,.0f} a second of one core")
