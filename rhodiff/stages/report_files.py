"""A report on disk: the page, and beside it every figure as files.

``report/figures/`` holds curves as ``.svg`` and ``.pdf`` (vectors), ``.png`` and ``.csv``, and pictures of fields as
``.pdf`` and ``.png``. The journal names what a report is about to write, so that the next one can remove figures that
no longer belong to it and nothing else; the page comes last.
"""

from dataclasses import dataclass
from pathlib import Path

from rhodiff.report import ReportContent, render_report
from rhodiff.stages.workspace import Workspace
from rhodiff.store.files import storage_errors, write_atomic
from rhodiff.store.journal import read_journal

__all__ = ["WrittenReport", "write_report_files"]

BEGUN, ENDED = "report begun", "report written"
"""Events of the journal."""


@dataclass(frozen=True)
class WrittenReport:
    """Files of a report.

    Attributes:
        page: the page.
        figures: all files of its figures.
    """

    page: Path
    figures: tuple[Path, ...]


def write_report_files(workspace: Workspace, content: ReportContent) -> WrittenReport:
    """Write the page and the files of its figures; remove those of earlier reports that are not its own.

    Args:
        workspace: the experiment.
        content: the report.
    """
    run = workspace.run_folder
    files = {
        run.report_folder.figure(figure.name, suffix): picture
        for figure in content.figures
        for suffix, picture in figure.files().items()
    }
    assert len(files) == sum(len(figure.files()) for figure in content.figures), "two figures share a name"
    earlier = _earlier(workspace)
    workspace.journal.write(BEGUN, figures=_relative(run.path, files))
    for path, picture in files.items():
        _write(path, picture)
    for path in earlier - set(files):
        with storage_errors(path):
            path.unlink(missing_ok=True)
    _write(run.report, render_report(content).encode())
    workspace.journal.write(ENDED, report=str(run.report.relative_to(run.path)), figures=_relative(run.path, files))
    return WrittenReport(run.report, tuple(files))


def _earlier(workspace: Workspace) -> set[Path]:
    """Files that reports of this run have written."""
    run = workspace.run_folder
    events = [event for event in read_journal(run.journal) if event["event"] == BEGUN]
    return {run.path / name for event in events for name in event["figures"]}


def _write(path: Path, content: bytes) -> None:
    write_atomic(path, lambda handle: handle.write(content))


def _relative(folder: Path, files: dict[Path, bytes]) -> list[str]:
    return [str(path.relative_to(folder)) for path in files]
