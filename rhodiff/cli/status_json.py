"""``rhodiff-hpc status --json``: times in UTC, durations in seconds."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rhodiff.cli.status_screen import Row
from rhodiff.jobs.element_state import ElementStatus
from rhodiff.jobs.job_states import JobPhase, phase_of
from rhodiff.jobs.pending_reasons import explain_pending
from rhodiff.store.journal import utc_now

__all__ = ["describe_rows"]


def describe_rows(rows: Sequence[Row]) -> dict[str, Any]:
    """The whole answer, without the schema's number."""
    runs: dict[Path, list[Row]] = {}
    for row in rows:
        runs.setdefault(row.state.selected.run.path, []).append(row)
    return {
        "time": utc_now(),
        "runs": [
            {"run": path.name, "path": str(path), "submissions": [_submission(row) for row in several]}
            for path, several in runs.items()
        ],
    }


def _submission(row: Row) -> dict[str, Any]:
    state, plan = row.state, row.state.plan
    return {
        "number": plan.number,
        "stage": plan.stage,
        "is_trial": plan.is_trial,
        "cluster": plan.cluster,
        "token": plan.token,
        "folder": str(state.folder.path),
        "created": plan.created,
        "jobs": list(dict.fromkeys(state.jobs.values())),
        "counts": {status.value: count for status, count in state.count().items()},
        "silence": state.silence or None,
        "next": row.next_step or None,
        "elements": [_element(row, status) for status in state.elements],
    }


def _element(row: Row, status: ElementStatus) -> dict[str, Any]:
    record, element = status.record, status.element
    beat = row.progress.get(element)
    waits = record is not None and phase_of(record) is JobPhase.WAITS
    return {
        "element": element,
        "state": status.state.value,
        "reason": status.reason or row.reasons.get(element) or None,
        "job": status.job,
        "slurm_state": record.state if record else None,
        "slurm_reason": (record.reason or None) if record else None,
        "waits_for": explain_pending(record.reason).meaning if record and waits else None,
        "expected_start": record.expected_start if record else None,
        "nodes": (record.nodes or None) if record else None,
        "elapsed_s": record.elapsed_s if record else None,
        "restarts": record.restarts if record else None,
        "attempts": len(row.histories[element]) if element in row.histories else None,
        "progress": asdict(beat) if beat else None,
        "taken_on_by": row.heirs.get(element),
    }
