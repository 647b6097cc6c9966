"""The container engine: whether it is there, and what it can do as this user."""

from collections.abc import Iterator, Mapping

from rhodiff.runtime.containers import ENGINE, EngineProbe, probe_engine, read_container_record
from rhodiff.runtime.health.checks import Check, Result

__all__ = ["engine_checks"]


def engine_checks(environment: Mapping[str, str]) -> list[Check]:
    """The engine; no image is run.

    Args:
        environment: usually ``os.environ``.
    """
    return [Check("containers", ENGINE, lambda: check_engine(environment), 20.0)]


def check_engine(environment: Mapping[str, str]) -> Iterator[Result]:
    """What there is; within an image, which one it is."""
    record = read_container_record(environment)
    if record is not None:
        checksum = f" (sha256 {record.sha256[:12]}, {record.engine})" if record.sha256 is not None else ""
        yield Result(ENGINE, "ok", f"this is inside {record.image}{checksum}")
        return
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
