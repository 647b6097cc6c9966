"""``rhodiff-hpc cost``: what submitted work reserved, used and lost."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rhodiff.cli.console import Console
from rhodiff.cli.job_options import RunWord, SelectorWord
from rhodiff.cli.options import ConfigFile, JsonOutput
from rhodiff.cli.wording import amount, duration, plural, wrapped

if TYPE_CHECKING:
    from rhodiff.jobs.cost import Spending
    from rhodiff.jobs.sites import Charge
    from rhodiff.jobs.state import SubmissionState
    from rhodiff.jobs.usage import Usage

__all__ = ["cost"]

GENEROUS = 0.5
"""A time limit of which less than this was used is worth a word."""
SHORT_S = 600.0
"""... unless it is short anyway."""
MARGIN_MIN = 5


@dataclass(frozen=True)
class _Line:
    """A submission, what it took, the site's rate, and how busy its jobs were."""

    state: "SubmissionState"
    spent: "Spending"
    charge: "Charge | None"
    usage: "Sequence[Usage]" = ()


def cost(
    run: RunWord = None,
    selector: SelectorWord = None,
    config: ConfigFile = Path("rhodiff.yaml"),
    as_json: JsonOutput = False,
) -> None:
    """Show node-hours reserved, used and lost."""
    from rhodiff.jobs.cost import spending_of
    from rhodiff.jobs.selection import runs_folder, select, split_words
    from rhodiff.jobs.state import observe_submissions
    from rhodiff.jobs.usage import measure_usage

    console = Console(as_json=as_json)
    seen = observe_submissions(select(runs_folder(config), *split_words(run, selector)), records_of_all=True)
    charges = _charges({state.plan.site for state in seen}, console)
    jobs = [job for state in seen if state.plan.scheduler == "slurm" and state.records for job in state.jobs.values()]
    used = measure_usage(list(dict.fromkeys(jobs)))
    lines = [
        _Line(
            state, spending_of(state), charges[state.plan.site], [used[j] for j in state.jobs.values() if j in used]
        )
        for state in seen
    ]
    console.result("\n".join(_draw(lines)), {"submissions": [_plain(line) for line in lines]})


def _charges(sites: set[str], console: Console) -> "dict[str, Charge | None]":
    """The rate of each site; a profile that is gone has none."""
    from rhodiff.errors import RhodiffError
    from rhodiff.jobs.site_files import load_site

    found: dict[str, Charge | None] = {}
    for site in sites:
        try:
            found[site] = load_site(site).charge
        except RhodiffError as error:
            console.warn(f"no charge is shown for the site '{site}': {error}")
            found[site] = None
    return found


def _draw(lines: Sequence[_Line]) -> list[str]:
    text, run = [f"{'node-hours':<42}{'reserved':>10}{'used':>10}{'lost':>10}"], ""
    for line in lines:
        plan = line.state.plan
        if plan.run != run:
            run = plan.run
            text.append(run)
        name = f"{plan.number:>4} {plan.stage + (' --test' if plan.is_trial else ''):<14}{_jobs_text(line)}"
        text.append(f"{name:<42}{_numbers(line.spent)}")
        text += _usage_lines(line)
    if len(lines) > 1:
        total = [sum(getattr(line.spent, name) for line in lines) for name in COLUMNS]
        text.append(f"{'     all':<42}" + "".join(f"{amount(value):>10}" for value in total))
    return [*text, "", *_charge_lines(lines), *_basis_lines(lines), *_hints(lines)]


COLUMNS = ("reserved_node_h", "used_node_h", "lost_node_h")


def _numbers(spent: "Spending") -> str:
    return "".join(f"{amount(getattr(spent, name)):>10}" for name in COLUMNS)


def _jobs_text(line: _Line) -> str:
    nodes = line.state.plan.allocation.nodes
    return f"{plural(line.spent.num_jobs, 'job')} x {plural(nodes, 'node')}"


def _usage_lines(line: _Line) -> list[str]:
    """How busy the jobs were, of what they asked for."""
    core_s = sum(usage.core_s for usage in line.usage)
    if core_s < SHORT_S:
        return []
    text = f"CPUs {100 * sum(usage.cpu_s for usage in line.usage) / core_s:.0f} % busy"
    memory = max((usage.memory_gb for usage in line.usage if usage.memory_gb is not None), default=None)
    if memory is not None:
        asked = line.state.plan.allocation.memory_gb
        text += f", at most {memory:.2g} GB a process" + (
            "" if asked is None else f" ({asked:g} GB a node asked for)"
        )
    return [f"{'':19}{text}"]


def _charge_lines(lines: Sequence[_Line]) -> list[str]:
    totals: dict[str, float] = {}
    for line in lines:
        if line.charge is not None:
            units = line.spent.used_node_h * line.charge.per_node_hour
            totals[line.charge.unit] = totals.get(line.charge.unit, 0.0) + units
    return [f"charge: {amount(units)} {unit} for what was used" for unit, units in totals.items()]


def _basis_lines(lines: Sequence[_Line]) -> list[str]:
    jobs = sum(line.spent.num_jobs for line in lines)
    accounted = sum(line.spent.num_accounted for line in lines)
    unmeasured = sum(line.spent.num_unmeasured for line in lines)
    own = "our own records of attempts (without the seconds before they start)"
    whose = {"slurm": "Slurm's accounting", "local": "what this machine noted of its processes"}
    books = " and ".join(whose[kind] for kind in sorted({line.state.plan.scheduler for line in lines}, reverse=True))
    if accounted == jobs and jobs:
        basis = f"{books}, all attempts of all jobs"
    elif accounted:
        basis = f"{books} for {accounted:,} of {plural(jobs, 'job')}, {own} for the rest"
    else:
        basis = own if jobs else "nothing yet: no job has begun"
    if unmeasured:
        basis += f"; {plural(unmeasured, 'attempt')} died without a record of how long they ran"
    silent = next((line.state.silence for line in lines if line.state.silence), "")
    if silent:
        basis += f" ({silent.partition('. ')[0]})"
    lost = "lost: attempts that brought nothing new; shared nodes count as whole ones"
    return [*wrapped(f"based on {basis}", 0), *wrapped(lost, 0)]


def _hints(lines: Sequence[_Line]) -> list[str]:
    """Time limits that are far too long: shorter jobs start sooner."""
    hints = []
    for line in lines:
        plan, longest_s = line.state.plan, line.spent.longest_s
        limit_s = 60.0 * plan.allocation.walltime_min
        if (
            plan.scheduler != "slurm"
            or plan.is_trial
            or longest_s is None
            or limit_s <= SHORT_S
            or longest_s > GENEROUS * limit_s
        ):
            continue
        enough = MARGIN_MIN + round(1.5 * longest_s / 60)
        hint = (
            f"{plan.stage}: its longest job took {duration(longest_s)} of {duration(limit_s)}; with --time {enough} "
            "such jobs fit into gaps of the queue"
        )
        hints += wrapped(hint, 0)
    return hints


def _plain(line: _Line) -> dict[str, Any]:
    plan, charge = line.state.plan, line.charge
    spent = asdict(line.spent)
    return {
        "run": plan.run,
        "number": plan.number,
        "stage": plan.stage,
        "is_trial": plan.is_trial,
        "nodes": plan.allocation.nodes,
        **spent,
        "cpu_s": sum(usage.cpu_s for usage in line.usage) if line.usage else None,
        "core_s": sum(usage.core_s for usage in line.usage) if line.usage else None,
        "memory_gb": max((usage.memory_gb for usage in line.usage if usage.memory_gb is not None), default=None),
        "charge": None if charge is None else line.spent.used_node_h * charge.per_node_hour,
        "charge_unit": None if charge is None else charge.unit,
        "silence": line.state.silence or None,
    }
