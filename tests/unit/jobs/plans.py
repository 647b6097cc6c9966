"""Plans written by hand."""

from rhodiff.jobs.submission_plan import Allocation, BodyRules, Launch, Piece, SubmissionPlan


def plan(folder="/", **values):
    """A plan of one element on local processes, with some values changed."""
    usual = {
        "token": "12ab34cd",
        "number": 1,
        "cluster": "rho",
        "scheduler": "local",
        "stage": "prepare",
        "run": "run",
        "folder": str(folder),
        "created": "",
        "user": "",
        "host": "",
        "site": "testbed",
        "command": ("true",),
        "num_parts": 1,
        "elements": (0,),
        "pack": 1,
        "side_by_side": 1,
        "allocation": Allocation(),
        "launch": Launch(),
        "rules": BodyRules(),
        "pieces": (Piece(0, 0, 1, False),),
    }
    return SubmissionPlan(**{**usual, **values})
