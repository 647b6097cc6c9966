"""``rhodiff-hpc run pipeline``: the stages of a workflow on this machine, for one experiment after the other."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rhodiff.cli.run import RunCommand, Stage
    from rhodiff.stages.pipeline import StageName, Workflow

__all__ = ["run_pipeline", "show_plan"]


def run_pipeline(commands: "list[RunCommand]", workflow: "Workflow") -> None:
    """Run the stages of a workflow, each in its turn, for one experiment after the other.

    All code is loaded before the first one: the package may be upgraded while a pipeline runs for days.
    """
    from rhodiff.cli.run import Stage
    from rhodiff.stages import denoise, evaluate, prepare, report, sample, train  # noqa: F401
    from rhodiff.stages.pipeline import run_workflow

    results: list[tuple[str, dict[str, Any]]] = []
    for command in commands:
        found: list[tuple[str, dict[str, Any]]] = []

        def run_stage(name: "StageName", command: "RunCommand" = command, found: list[Any] = found) -> None:
            follow = workflow.stages[name].follow
            found.append(command.run_stage(Stage(name), None, is_last=False, follow=follow))

        if len(commands) > 1:
            command.console.note(f"experiment {command.workspace.experiment.name}")
        run_workflow(workflow, run_stage)
        results.append(found[-1])
    if len(commands) == 1:
        commands[0].console.result(*results[0])
        return
    names = [command.workspace.experiment.name for command in commands]
    values = [{"name": name, **value} for name, (_, value) in zip(names, results, strict=True)]
    text = "\n".join(text for text, _ in results)
    commands[0].console.result(text, {"stage": Stage.PIPELINE.value, "experiments": values})


def show_plan(commands: "list[RunCommand]", stage: "Stage", workflow: "Workflow | None") -> None:
    """Say what the stage, or each stage of the workflow for each experiment, would do."""
    from rhodiff.stages.plan import plan_stage

    stages = [stage.value] if workflow is None else [s for name in workflow.order() for s in workflow.work_of(name)]
    plans = [plan_stage(command.workspace, name) for command in commands for name in stages]
    text = "\n".join(plan.describe() for plan in plans)
    commands[0].console.result(text, {"stage": stage.value, "plan": [plan.to_plain() for plan in plans]})
