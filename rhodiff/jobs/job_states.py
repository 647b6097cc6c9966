"""Slurm's words for the state of a job, sorted into what matters: it waits, it runs, or it has ended."""

from enum import StrEnum

from rhodiff.jobs.scheduler import JobRecord

__all__ = ["JobPhase", "describe_end", "phase_of"]


class JobPhase(StrEnum):
    """Where a job is; ``unclear`` for words we do not know."""

    WAITS = "waits"
    RUNS = "runs"
    ENDS = "ends"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNCLEAR = "unclear"


PHASES = {
    JobPhase.WAITS: "PENDING CONFIGURING REQUEUED REQUEUE_FED REQUEUE_HOLD RESV_DEL_HOLD SPECIAL_EXIT",
    JobPhase.RUNS: "RUNNING SUSPENDED RESIZING SIGNALING STOPPED",
    JobPhase.ENDS: "COMPLETING STAGE_OUT",
    JobPhase.COMPLETED: "COMPLETED",
    JobPhase.CANCELLED: "CANCELLED REVOKED",
    JobPhase.FAILED: "FAILED TIMEOUT NODE_FAIL PREEMPTED OUT_OF_MEMORY BOOT_FAIL DEADLINE LAUNCH_FAILED",
}
PHASE_OF_WORD = {word: phase for phase, words in PHASES.items() for word in words.split()}

ENDS = {
    "COMPLETED": "ended",
    "CANCELLED": "was cancelled",
    "FAILED": "failed",
    "TIMEOUT": "reached its time limit",
    "NODE_FAIL": "lost its node (power, network or a crash of the node)",
    "PREEMPTED": "was preempted by a job of higher priority",
    "OUT_OF_MEMORY": "was killed for using more memory than it asked for",
    "BOOT_FAIL": "did not start: its node did not boot",
    "DEADLINE": "reached its deadline",
    "REVOKED": "went to another cluster of the federation",
    "LAUNCH_FAILED": "did not start: Slurm could not launch it on its nodes",
}
LOCAL_ENDS = {
    "SupervisorDied": (
        "ended, or never began: the process that supervised it is gone (killed, or the machine was restarted)"
    ),
}
"""What only jobs on local processes can meet, by the reason in their records."""


def phase_of(record: JobRecord) -> JobPhase:
    """What a record says, whatever stands behind the word (``CANCELLED by 0``, ``CANCELLED+``)."""
    word = record.state.split()[0].rstrip("+") if record.state.strip() else ""
    return PHASE_OF_WORD.get(word, JobPhase.UNCLEAR)


def describe_end(record: JobRecord) -> str:
    """How a job ended, as the end of a sentence that begins with the job."""
    if record.reason in LOCAL_ENDS:
        return LOCAL_ENDS[record.reason]
    word = record.state.split()[0].rstrip("+") if record.state.strip() else ""
    return ENDS.get(word, f"is in the state '{record.state}', which rhodiff does not know")
