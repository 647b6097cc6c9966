"""What a job's script does before its last command: the site's lines, its variables, the pinned package."""

import shlex

from rhodiff.errors import ConfigError
from rhodiff.jobs.submission_plan import SubmissionPlan
from rhodiff.store.layout import SubmissionFolder

__all__ = ["setup_lines"]


def setup_lines(folder: SubmissionFolder, plan: SubmissionPlan) -> list[str]:
    """The site's lines, then what they left open; the pinned package goes before all others, the folder's too.

    Args:
        folder: folder of the submission.
        plan: its plan.

    Raises:
        ConfigError: if a line has no effect there.
    """
    if any(line.lstrip().startswith("#SBATCH") for block in plan.setup for line in block.splitlines()):
        raise ConfigError("setup: an '#SBATCH' line has no effect there: give it under 'options' of the resources")
    lines = list(plan.setup)
    for name, value in plan.environment.items():
        lines.append(f'[ -n "${{{name}+set}}" ] || export {name}={shlex.quote(value)}')
    lines.append("export PYTHONSAFEPATH=1")
    if plan.code is not None:
        code = shlex.quote(str(folder.path.parent / plan.code))
        lines.append(f'export PYTHONPATH={code}"${{PYTHONPATH:+:$PYTHONPATH}}"')
    return lines
