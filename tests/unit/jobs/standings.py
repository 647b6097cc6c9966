"""How submissions stand, made by hand: element -> state."""

from pathlib import Path

from submitted import make_plan

from rhodiff.jobs.element_state import ElementState, ElementStatus
from rhodiff.jobs.marks import Marks
from rhodiff.jobs.selection import Selected
from rhodiff.jobs.state import SubmissionState
from rhodiff.store.layout import RunFolder

RUN = RunFolder(Path("/x/runs/demo-12345678"))


def standing(states, **plan):
    """A submission whose elements stand as told, e.g. ``{0: "done", 3: "failed"}``."""
    made = make_plan(elements=sorted(states), **{"num_parts": 8, **plan})
    folder = RUN.jobs.submission(made.cluster, made.token)
    elements = tuple(ElementStatus(e, ElementState(s), "a reason") for e, s in sorted(states.items()))
    return SubmissionState(Selected(folder, made, made.elements), elements, Marks(), {0: "12"})
