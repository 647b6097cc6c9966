"""What ``sbatch`` meant by what it printed: pure, from the text alone, since whoever reads it may not have run it.

Only "Submitted batch job" is an acceptance. A connection that never came about left no job; one that broke later, or
no word at all, leaves it open. All else is a refusal, in Slurm's own words.
"""

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["SbatchAnswer", "advise", "read_answer"]

ACCEPTED = re.compile(r"^Submitted batch job [0-9]+", re.MULTILINE)

NEVER_SENT = (
    "(connect failure)",
    "connection refused",
    "could not establish a configuration source",
    "unable to process configuration file",
    "munge encode failed",
    "unable to open file",
)
"""No request reached the controller, lower case (22.05 to 24.11)."""

BROKEN_OFF = (
    "unable to contact slurm controller",
    "socket timed out",
    "zero bytes were transmitted",
    "connection timed out",
    "connection reset",
    "resource temporarily unavailable",
    "controller is in standby mode",
    "unexpected message received",
    "communications error",
)
"""The request was sent, or may have been, and the answer did not come."""

COMPLAINTS = ("error", "fatal", "unrecognized option", "invalid", "denied")
"""What a refusal holds one of; anything else that is printed may be a site's greeting."""

ADVICE = (
    ("invalid account", "name an account of yours: 'sacctmgr show associations user=$USER' lists them"),
    ("invalid partition", "name a partition of this cluster: 'sinfo -s' lists them"),
    ("invalid qos", "name a quality of service that you may use: 'sacctmgr show associations user=$USER format=qos'"),
    ("qosmaxsubmitjobperuser", "wait until some of your jobs have ended, or put more parts into a job (pack)"),
    ("job violates accounting/qos policy", "a limit on submitted jobs, size or time: 'sacctmgr show qos' lists them"),
    ("requested time limit is invalid", "lower walltime_min: 'sinfo -o \"%P %l\"' shows the limit of each partition"),
    ("memory specification can not be", "lower memory_gb: 'sinfo -o \"%P %m\"' shows the MB of the nodes"),
    (
        "requested node configuration",
        "ask for less a node, or for another partition: 'sinfo -Nel' shows what there is",
    ),
    ("invalid generic resource", "correct gres or gpus_per_node: 'sinfo -o \"%P %G\"' shows what there is"),
    ("invalid feature specification", "correct constraint: 'sinfo -o \"%P %f\"' shows the features of the nodes"),
    ("invalid job array", "lower parts, or put more of them into a job (pack)"),
    ("more processors requested", "ask for fewer CPUs: 'sinfo -o \"%P %c\"' shows what the nodes have"),
    ("node count specification invalid", "ask for fewer nodes: 'sinfo -s' shows how many there are"),
    ("job dependency problem", "a job to wait for is gone: submit the stage before it again"),
    ("unrecognized option", "remove the option that this Slurm does not know"),
    ("access/permission denied", "this account may not submit here: ask the site"),
)
"""Parts of refusals, lower case, and what to do about them."""


@dataclass(frozen=True)
class SbatchAnswer:
    """What became of a submission.

    Attributes:
        verdict: ``accepted``; ``refused``: there is no job; ``unsent``: there is none, and nobody refused; ``open``:
            there may be one.
        words: what was printed that says so: the line of acceptance, or the complaints in one line.
    """

    verdict: Literal["accepted", "refused", "unsent", "open"]
    words: str


def read_answer(text: str) -> SbatchAnswer:
    """Judge what ``sbatch`` printed, on either stream.

    Args:
        text: all of it; empty if it was killed before it could speak.
    """
    accepted = ACCEPTED.search(text)
    if accepted:
        return SbatchAnswer("accepted", accepted[0])
    words = "; ".join(line.removeprefix("sbatch: ").strip() for line in text.splitlines() if line.strip())
    said = words.lower()
    if any(phrase in said for phrase in NEVER_SENT):
        return SbatchAnswer("unsent", words)
    if any(phrase in said for phrase in COMPLAINTS) and not any(phrase in said for phrase in BROKEN_OFF):
        return SbatchAnswer("refused", words)
    return SbatchAnswer("open", words)


def advise(words: str) -> str:
    """What to do about a refusal."""
    said = words.lower()
    return next((advice for phrase, advice in ADVICE if phrase in said), "correct what it complains about")
