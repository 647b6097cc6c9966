"""A data set belongs to no single run: its preparation may be under way for another experiment.

Two experiments have the same data set if their ``data`` sections and the folders that these start from are equal.
That input files were changed between two submissions is not seen here; the training that waited in vain then says so.
"""

from collections.abc import Iterator

from rhodiff.config.loading import load_experiment
from rhodiff.errors import ConfigError
from rhodiff.jobs.selection import Selected, find_runs, read_submissions
from rhodiff.jobs.state import FindScheduler, observe_submissions
from rhodiff.jobs.submission_plan import Dependency
from rhodiff.stages.workspace import Workspace

__all__ = ["find_preparations"]


def find_preparations(workspace: Workspace, cluster: str, find: FindScheduler) -> tuple[Dependency, ...]:
    """Live submissions, for other runs, that prepare the data set of an experiment.

    Args:
        workspace: the experiment.
        cluster: where its own jobs go: they cannot wait for those of another cluster.
        find: gives the scheduler of a submission.
    """
    chosen = [one for one in _of_other_runs(workspace) if one.plan.cluster == cluster and _prepares(one, workspace)]
    live = [
        state.selected
        for state in observe_submissions(chosen, find)
        if any(status.state.may_go_on_by_itself for status in state.elements)
    ]
    return tuple(Dependency(str(one.folder.path.relative_to(one.run.path.parent))) for one in live)


def _of_other_runs(workspace: Workspace) -> Iterator[Selected]:
    ours = workspace.run_folder.path
    for run in find_runs(ours.parent):
        if run.path.name != ours.name:
            yield from (one for one in read_submissions(run) if one.plan.stage == "prepare")


def _prepares(one: Selected, workspace: Workspace) -> bool:
    """Whether a submission makes the data set of an experiment."""
    if one.plan.folder != str(workspace.folder):
        return False
    try:
        theirs = load_experiment(one.folder.config)
    except ConfigError:  # of another version of rhodiff
        return False
    ours = workspace.experiment
    return (theirs.data, theirs.paths.data) == (ours.data, ours.paths.data)
