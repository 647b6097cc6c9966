"""Why a job waits: Slurm's reasons in plain words, and what changes them.

The words are those of Slurm 22.05 to 24.11 (``squeue --help`` and job_reason_codes.html of the manual). A reason that
is not listed is shown as Slurm wrote it.
"""

import re
from dataclasses import dataclass

__all__ = ["PendingReason", "explain_pending"]


@dataclass(frozen=True)
class PendingReason:
    """Why a job waits.

    Attributes:
        word: Slurm's word.
        meaning: in plain words, short enough for a table.
        advice: what changes it; empty where waiting is all.
        never: whether waiting alone will not help.
    """

    word: str
    meaning: str
    advice: str = ""
    never: bool = False


LIMIT_ADVICE = (
    "the jobs begin as others of yours (or of your account) end; 'sacctmgr show qos' and 'sacctmgr show assoc' list "
    "the limits"
)
ASK_SITE = "ask the site's support if it stays so"

REASONS = (
    PendingReason("None", "just arrived; the scheduler has not looked at it yet"),
    PendingReason("Resources", "next in line: waits for nodes to become free"),
    PendingReason(
        "Priority",
        "other jobs are before it in the queue",
        "fewer nodes or a shorter walltime fit into gaps: cancel and submit again with a shorter --time",
    ),
    PendingReason("Dependency", "waits for another job to end"),
    PendingReason(
        "DependencyNeverSatisfied",
        "the job it waits for failed: it will never start",
        "cancel it, retry what failed, and submit it again",
        never=True,
    ),
    PendingReason("BeginTime", "waits for its begin time (after a requeue: about two minutes)"),
    PendingReason("LocalCpus", "other local jobs have the CPUs (or devices) of this machine"),
    PendingReason("JobArrayTaskLimit", "as many of its array run as its throttle allows"),
    PendingReason("Cleaning", "its last attempt is being cleaned up"),
    PendingReason("Licenses", "waits for a licence"),
    PendingReason(
        "ReqNodeNotAvail",
        "a node that it needs is down, drained or reserved (often a maintenance that it would run into)",
        "a walltime that ends before the maintenance starts at once: 'scontrol show reservation' lists them",
    ),
    PendingReason(
        "Nodes required for job are DOWN",
        "the nodes that it needs are down, drained, or reserved for partitions of higher priority",
        "'sinfo -R' says why nodes are down; a walltime that ends before a maintenance starts at once",
    ),
    PendingReason(
        "job requeued in held state", "it was put back and is held", "'scontrol release {job}'", never=True
    ),
    PendingReason("Reservation", "waits for its reservation to begin", "'scontrol show reservation' tells when"),
    PendingReason("NodeDown", "a node that it needs is down", ASK_SITE),
    PendingReason(
        "PartitionNodeLimit",
        "it asks for more nodes than its partition allows",
        "cancel it and submit again with fewer --nodes or another --partition",
        never=True,
    ),
    PendingReason(
        "PartitionTimeLimit",
        "it asks for more time than its partition allows",
        "cancel it and submit again with a shorter --time (and --chain for the rest)",
        never=True,
    ),
    PendingReason("PartitionDown", "its partition is closed: jobs are taken and not started", ASK_SITE),
    PendingReason("PartitionInactive", "its partition is closed", ASK_SITE),
    PendingReason(
        "PartitionConfig",
        "its partition does not allow such a job",
        "'scontrol show partition' lists what it allows; cancel it and submit again",
        never=True,
    ),
    PendingReason(
        "BadConstraints",
        "no node has what it asks for",
        "cancel it and submit again with other resources: 'rhodiff-hpc site check' says what does not fit",
        never=True,
    ),
    PendingReason("JobHeldUser", "it is held by you", "'scontrol release {job}' lets it go on", never=True),
    PendingReason("JobHeldAdmin", "it is held by the site's staff", "ask the site's support", never=True),
    PendingReason(
        "JobHoldMaxRequeue",
        "Slurm put it back into the queue too often and holds it now",
        "look at its log for why it dies; 'scontrol release {job}' lets it go on",
        never=True,
    ),
    PendingReason(
        "launch_failed_requeued_held",
        "a node could not start it, and Slurm holds it now",
        "'scontrol release {job}' tries it again; exclude the node if it was the same one",
        never=True,
    ),
    PendingReason("InvalidAccount", "its account is not valid any more", "submit again with --account", never=True),
    PendingReason(
        "AccountNotAllowed", "its account may not use this partition", "submit again with --account", never=True
    ),
    PendingReason(
        "InvalidQOS", "its quality of service is not valid any more", "submit again with --qos", never=True
    ),
    PendingReason(
        "QOSNotAllowed", "its quality of service may not use this partition", "submit again with --qos", never=True
    ),
    PendingReason(
        "QOSMaxJobsPerUserLimit", "as many of your jobs run as the QOS allows a user at a time", LIMIT_ADVICE
    ),
    PendingReason(
        "QOSMaxSubmitJobPerUserLimit", "you have as many jobs in the queue as the QOS allows", LIMIT_ADVICE
    ),
    PendingReason("QOSGrpBillingMinutes", "the QOS has used up its hours", "ask the project's manager", never=True),
    PendingReason(
        "AssocGrpBillingMinutes",
        "the account has used up its hours",
        "'sshare' shows them: ask the manager",
        never=True,
    ),
    PendingReason(
        "AssocGrpCPUMinutesLimit",
        "the account has used up its hours",
        "'sshare' shows them: ask the manager",
        never=True,
    ),
    PendingReason("AssocMaxJobsLimit", "as many of your jobs run as your account allows", LIMIT_ADVICE),
    PendingReason("QOSUsageThreshold", "the QOS is used beyond its threshold", LIMIT_ADVICE),
    PendingReason("Prolog", "its nodes are being prepared"),
    PendingReason("BurstBufferStageIn", "its data are being staged in"),
    PendingReason("Slots", "waits for CPUs of this machine to become free"),
)


def _key(text: str) -> str:
    """Letters only: Slurm writes the same reason with spaces, with underscores and in brackets."""
    return re.sub(r"[^a-z]", "", text.lower())


BY_KEY = {_key(reason.word): reason for reason in REASONS}

FAMILIES = (
    (r".*Min(utes|s)(RunMinutes)?(Limit|PerJob)?$", "the hours of the {owner} are used up or all reserved"),
    (r".*(Max|Grp)(Wall|WallDuration).*", "it asks for more time than the {owner} allows"),
    (r".*(Max|Grp)Submit.*", "there are as many jobs in the queue as the {owner} allows"),
    (r".*(Max|Grp)Jobs?.*", "as many jobs run as the {owner} allows"),
    (
        r".*(Max|Grp|Min)(Cpu|Node|Mem|GRES|BB|Billing|Energy|License|Tres|CPU).*",
        "the {owner} limits what may be used at a time",
    ),
)
OWNERS = {"qos": "quality of service (QOS)", "assoc": "account or user", "max": "account or user"}


def explain_pending(word: str) -> PendingReason:
    """What a reason means.

    Args:
        word: as ``squeue`` prints it: ``Priority``, ``ReqNodeNotAvail, UnavailableNodes:rho1``, ``(Resources)``.
    """
    first = re.split(r"[,:]", word.strip("() "), maxsplit=1)[0].strip()
    known = BY_KEY.get(_key(first)) or _of_family(first)
    if known is not None:
        return known
    return PendingReason(word, f"Slurm says '{word}'" if first else "the scheduler gives no reason")


def _of_family(word: str) -> PendingReason | None:
    """Limits have hundreds of names, made of who sets them and what they limit."""
    owner = next((name for prefix, name in OWNERS.items() if word.lower().startswith(prefix)), None)
    if owner is None:
        return None
    for pattern, meaning in FAMILIES:
        if re.match(pattern, word, re.IGNORECASE):
            return PendingReason(word, f"{meaning.format(owner=owner)} ({word})", LIMIT_ADVICE)
    return PendingReason(word, f"a limit of the {owner} is reached ({word})", LIMIT_ADVICE)
