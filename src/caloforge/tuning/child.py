"""One process of a search: ``python -m caloforge.tuning.child``.

It trains one run after another for its parent, in lines of JSON over stdin and stdout: a job
comes in, a line a round goes out and is answered with whether to go on, then the outcome. It
ends when its stdin does.
"""

from __future__ import annotations

import contextlib
import json
import tomllib
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caloforge.child_process import die_with_parent, own_pipes
from caloforge.config import run_from_tables
from caloforge.errors import CaloforgeError
from caloforge.tuning.trial import run_trial

if TYPE_CHECKING:
    from typing import BinaryIO


def main() -> None:
    """Serve one parent until it has gone."""
    die_with_parent()
    requests, replies = own_pipes()
    # The parent may go while we work for it: no reason for a traceback.
    with contextlib.suppress(BrokenPipeError, EOFError):
        while line := requests.readline():
            _serve(json.loads(line), requests, replies)


def _serve(job: dict[str, Any], requests: BinaryIO, replies: BinaryIO) -> None:
    run = run_from_tables(tomllib.loads(job["run"]), source="trial")

    def goes_on(share: int, score: float) -> bool:
        _send(replies, {"is": "round", "share": share, "score": score})
        answer = requests.readline()
        if not answer:
            raise _ParentGoneError
        return bool(json.loads(answer)["goes_on"])

    try:
        outcome = run_trial(run, Path(job["folder"]), goes_on)
    except (CaloforgeError, OSError) as error:
        traceback.print_exc()
        kind = type(error).__name__ if isinstance(error, CaloforgeError) else "OutputError"
        _send(replies, {"is": "error", "kind": kind, "text": str(error)})
    else:
        _send(replies, {"is": "outcome", **outcome._asdict()})


class _ParentGoneError(SystemExit):
    """Nobody waits for the score."""


def _send(replies: BinaryIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message).encode() + b"\n")
    replies.flush()


if __name__ == "__main__":
    main()
