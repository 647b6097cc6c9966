"""Words and options that the commands about submitted jobs share."""

from typing import Annotated

import typer

from rhodiff.jobs.element_state import ElementState

__all__ = ["RunWord", "SelectorWord", "States"]

RunWord = Annotated[str | None, typer.Argument(metavar="[RUN]", help="Run folder or its name; default: all runs.")]
SelectorWord = Annotated[
    str | None, typer.Argument(metavar="[SELECTOR]", help="all, last, 3 (a submission), 3:5-8 (elements of it).")
]
States = Annotated[
    list[ElementState] | None, typer.Option("--state", help="Only elements in this state; repeatable.")
]
