"""The options of ``sbatch`` for one piece of a submission: a plan in, long option names and values out; pure.

What only Slurm can judge (accounts, partitions, limits) is left to it; what could not be written down at all, or
would not do what it says, is refused here, before anything is written.
"""

import math
import re
from collections.abc import Mapping, Sequence

from rhodiff.errors import ConfigError
from rhodiff.jobs.submission_plan import Allocation, Piece, SubmissionPlan
from rhodiff.store.layout import SubmissionFolder

__all__ = ["check_paths", "sbatch_options"]

OURS = {
    "array": "it follows from the stage's parts; see 'parts', 'pack' and 'throttle'",
    "chdir": "jobs start in the folder of their submission",
    "clusters": "a submission belongs to the cluster that SLURM_CONF names",
    "comment": "jobs are found again by it",
    "dependency": "it follows from the pipeline; see 'chain' and 'needs'",
    "error": "logs lie where 'rhodiff-hpc logs' finds them",
    "help": "it submits nothing",
    "job-name": "jobs are found again by it",
    "kill-on-invalid-dep": "else jobs would wait for ever",
    "no-requeue": "see 'may_requeue' of the site profile",
    "ntasks": "see 'nodes' and 'tasks_per_node'",
    "open-mode": "a second attempt goes on in the same log",
    "output": "logs lie where 'rhodiff-hpc logs' finds them",
    "parsable": "it changes Slurm's answer",
    "quiet": "it changes Slurm's answer",
    "requeue": "see 'may_requeue' of the site profile",
    "signal": "see 'stop_margin_s'",
    "test-only": "it submits nothing; use 'submit --dry-run'",
    "usage": "it submits nothing",
    "version": "it submits nothing",
    "wait": "use 'submit --wait'",
    "wrap": "jobs run rhodiff's own body",
}
"""Options that a user may not give, and why."""

SETTINGS = {
    "account": "account",
    "constraint": "constraint",
    "cpus-per-task": "cpus_per_task",
    "exclude": "exclude",
    "exclusive": "exclusive",
    "gpus-per-node": "gpus_per_node",
    "gres": "gres",
    "mem": "memory_gb",
    "nodes": "nodes",
    "ntasks-per-node": "tasks_per_node",
    "partition": "partition",
    "qos": "qos",
    "time": "walltime_min",
}
"""Options that have a setting of their own."""

OPTION_NAME = re.compile(r"[a-z][a-z0-9]+([-_][a-z0-9]+)*")


def sbatch_options(
    folder: SubmissionFolder, plan: SubmissionPlan, piece: Piece, after: Sequence[str]
) -> dict[str, str | bool]:
    """Long names, without dashes, and values; ``True`` for an option without value.

    Args:
        folder: folder of the submission.
        plan: its plan.
        piece: which of its pieces.
        after: what it waits for: ``afterok:12``, ``afterany:12``.

    Raises:
        ConfigError: if an option is one that rhodiff sets itself, or a value cannot be written down.
    """
    options: dict[str, str | bool] = {
        **_asked_for(plan.allocation),
        **_user_options(plan.allocation.options),
        "job-name": plan.job_name(piece.index),
        "comment": f"rhodiff {plan.token} {plan.run}",
        "chdir": str(folder.path),
        "output": str(folder.logs).replace("%", "%%") + ("/%A_%a.log" if piece.is_array else "/%j.log"),
        "open-mode": "append",
        "signal": f"B:USR1@{plan.rules.stop_margin_s}",
        "kill-on-invalid-dep": "yes",
        "requeue" if plan.rules.may_requeue else "no-requeue": True,
    }
    if after:
        options["dependency"] = ",".join(after)
    if piece.is_array:
        options["array"] = f"0-{piece.count - 1}" + (f"%{piece.throttle}" if piece.throttle else "")
    return {name: _as_written(name, value) for name, value in options.items()}


def check_paths(folder: SubmissionFolder, *, on_python_path: bool) -> None:
    """Refuse folders that Slurm or the shell cannot be told of.

    Args:
        folder: folder of the submission.
        on_python_path: whether the pinned package beside it goes on PYTHONPATH.

    Raises:
        ConfigError: naming the character.
    """
    path = str(folder.path)
    unfit = {
        "\n": "a line break, which an #SBATCH line cannot hold",
        "\r": "a carriage return, which an #SBATCH line cannot hold",
        "\\": "a backslash, which Slurm drops from the names of logs",
    } | ({":": "a colon, which ends an entry of PYTHONPATH"} if on_python_path else {})
    for character, reason in unfit.items():
        if character in path:
            raise ConfigError(
                f"the folder {path!r} holds {reason}: nothing can be submitted from there. Rename the folder, or let "
                "paths.runs name one without it"
            )


def _asked_for(allocation: Allocation) -> dict[str, str | bool]:
    values: dict[str, str | bool | None] = {
        "nodes": str(allocation.nodes),
        "ntasks-per-node": str(allocation.tasks_per_node),
        "cpus-per-task": str(allocation.cpus_per_task),
        "time": str(allocation.walltime_min),
        "mem": None if allocation.memory_gb is None else f"{math.ceil(allocation.memory_gb * 1024)}M",
        "partition": allocation.partition,
        "account": allocation.account,
        "qos": allocation.qos,
        "constraint": allocation.constraint,
        "exclude": ",".join(allocation.exclude) or None,
        "exclusive": allocation.exclusive or None,
        "gres": allocation.gres,
        "gpus-per-node": str(allocation.gpus_per_node) if allocation.gpus_per_node and not allocation.gres else None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _user_options(given: Mapping[str, str | bool]) -> dict[str, str | bool]:
    options: dict[str, str | bool] = {}
    for name, value in given.items():
        long_name = name.replace("_", "-")
        where = f"options.{name}"
        if OPTION_NAME.fullmatch(name) is None:
            raise ConfigError(f"{where}: '{name}' is no long name of an sbatch option, e.g. 'mail-type' or 'nice'")
        if long_name in OURS:
            raise ConfigError(f"{where}: rhodiff sets --{long_name} itself ({OURS[long_name]}): leave it out")
        if long_name in SETTINGS:
            raise ConfigError(f"{where}: use the setting '{SETTINGS[long_name]}' for --{long_name}")
        if value is not False:  # switched off again: a site's profile had it
            options[long_name] = value
    return options


def _as_written(name: str, value: str | bool) -> str | bool:
    """A value as an #SBATCH line must hold it: Slurm's parser drops single backslashes."""
    if isinstance(value, bool):
        return value
    if any(character in value for character in "\n\r\0"):
        raise ConfigError(f"--{name}={value!r}: an #SBATCH line cannot hold a line break; give a value without one")
    return value.replace("\\", "\\\\")
