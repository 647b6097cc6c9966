"""The container engine: whether it is there, and what it can do as this user."""

from collections.abc import Iterator

from rhodiff.runtime.containers import ENGINE, EngineProbe, probe_engine
from rhodiff.runtime.health.checks import Check, Result

__all__ = ["engine_checks"]


def engine_checks() -> list[Check]:
    """The engine; no image is run."""
    return [Check("containers", ENGINE, check_engine, 20.0)]


def check_engine() -> Iterator[Result]:
    """What there is."""
    probe = probe_engine()
    if probe.path is None:
        yield Result(ENGINE, "absent", f"{probe.problem}; only jobs in containers need it", probe.fix or "")
        return
    found = f"{ENGINE} {probe.version or ''} at {probe.path}{_abilities(probe)}"
    if probe.can_run:
        yield Result(ENGINE, "ok", found)
    else:
        yield Result(ENGINE, "warning", f"{found}: {probe.problem}", probe.fix or "")


def _abilities(probe: EngineProbe) -> str:
    if not probe.can_run:
        return ""
    building = "runs and builds images" if probe.can_run_post else f"runs images; {probe.problem}, so {probe.fix}"
    options = f" (with {' '.join(probe.exec_options)})" if probe.exec_options else ""
    return f", {building}{options}"
