"""The part of ``doctor`` that several processes on several nodes do together, each answering for its node.

They meet over gloo, which every torch has, and tell each other what they found; then the backends that all of them
have are tried one after the other. What only works on one node, as locks or clocks, shows here.
"""

import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from rhodiff.config.experiment import Runtime
from rhodiff.errors import RhodiffError, RunBusyError
from rhodiff.runtime.health.all_reduce import BackendTimes, all_reduce_result, measure_all_reduce
from rhodiff.runtime.health.checks import Result, Section
from rhodiff.runtime.places import Place
from rhodiff.runtime.preparation import prepare_process
from rhodiff.runtime.processes import Processes, join_processes
from rhodiff.store.locks import hold_lock

__all__ = ["Meeting", "hold_meeting", "merge_nodes", "results_of", "try_backends"]

TITLE = "nodes together"
CLOCKS_S = 30.0
SILENT = "it did not end: it hangs, or is slower than the job is long (see the log of the job)"


@dataclass(frozen=True)
class Meeting:
    """What all processes told.

    Attributes:
        sections: results of all nodes, and of what they did together.
        backends: backends that all of them have, with the device each is for.
        times: gloo's.
    """

    sections: tuple[Section, ...]
    backends: tuple[tuple[str, str], ...]
    times: BackendTimes


def hold_meeting(place: Place, own: Sequence[Section], backends: Sequence[tuple[str, str]], folder: Path) -> Meeting:
    """Meet over gloo, tell, and compare; all processes call it.

    Args:
        place: this process's place.
        own: what this process found on its node; the first process of a node speaks for it.
        backends: backends that work here, with the device each is for.
        folder: of the runs.

    Raises:
        RhodiffError: if they cannot meet.
    """
    with join_processes(place, torch.device("cpu"), "gloo") as processes:
        told = _gather(
            {"host": socket.gethostname(), "sections": [one.to_plain() for one in own], "backends": backends}
        )
        nodes = {one["host"]: [Section.from_plain(plain) for plain in one["sections"]] for one in reversed(told)}
        shared = [pair for pair in backends if all(pair in map(tuple, one["backends"]) for one in told)]
        results = [*_compare_clocks(processes), *_compete(processes, folder, [one["host"] for one in told])]
        times = measure_all_reduce(processes, "gloo")
    hosts = dict.fromkeys(one["host"] for one in told)
    head = Result("nodes", "ok", f"{len(told)} processes on {', '.join(hosts)}")
    together = Section(TITLE, (head, *results))
    ordered = {host: nodes[host] for host in hosts}
    return Meeting((together, *merge_nodes(ordered)), tuple(shared), times)


def _gather(value: dict[str, Any]) -> list[dict[str, Any]]:
    told: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(told, value)
    return told


def _compare_clocks(processes: Processes) -> Iterator[Result]:
    """Clocks just after a barrier."""
    processes.wait_for_all()
    mine = time.time()
    clocks = [one["time"] for one in _gather({"time": mine})]
    apart_s = max(clocks) - min(clocks)
    if apart_s < CLOCKS_S:
        yield Result("clocks", "ok", f"at most {apart_s:.2g} s apart")
    else:
        fix = "ask the site to synchronise them (chrony)"
        yield Result("clocks", "warning", f"{apart_s:.0f} s apart: times in journals do not compare", fix)


def _compete(processes: Processes, folder: Path, hosts: Sequence[str]) -> Iterator[Result]:
    """The first process holds a lock while all others try to get it."""
    lock = folder / f".doctor-{dist.get_world_size()}-{_token(processes)}"
    with ExitStack() as held:
        holds = _enter_lock(held, lock) if processes.is_first else None
        processes.wait_for_all()
        outcomes = [one["outcome"] for one in _gather({"outcome": holds or _try_lock(lock)})]
    others = sorted({host for host, outcome in zip(hosts, outcomes, strict=True) if outcome == "got it"})
    unsure = [
        f"{host}: {o}" for host, o in zip(hosts, outcomes, strict=True) if o not in {"holds", "got it", "refused"}
    ]
    if others:
        fix = "take another file system for the runs (paths.runs): two jobs could work on one run here"
        yield Result("locking", "fault", f"{', '.join(others)} got a lock that {hosts[0]} held", fix)
    elif unsure:
        fix = "take a folder that all nodes see and may write to (paths.runs)"
        yield Result("locking", "fault", f"a lock could not be tried on {unsure[0]}", fix)
    else:
        yield Result("locking", "ok", f"all others were kept out of a lock that a process of {hosts[0]} held")


def _token(processes: Processes) -> str:
    """A name that no other meeting has."""
    own = secrets.token_hex(4) if processes.is_first else ""
    return str(_gather({"token": own})[0]["token"])


def _enter_lock(held: ExitStack, lock: Path) -> str:
    """Take the lock, or say why not: the others wait to hear of it."""
    try:
        held.enter_context(hold_lock(lock, "doctor"))
    except (RhodiffError, OSError) as error:
        return str(error)
    return "holds"


def _try_lock(lock: Path) -> str:
    try:
        with hold_lock(lock, "doctor"):
            return "got it"
    except RunBusyError:
        return "refused"
    except (RhodiffError, OSError) as error:
        return str(error)


def merge_nodes(nodes: Mapping[str, Sequence[Section]]) -> list[Section]:
    """Results of all nodes as one: where they agree in their state, the first one's words stand for all.

    Args:
        nodes: host -> what it found.
    """
    found: dict[tuple[str, str], dict[str, list[Result]]] = {}
    for host, sections in nodes.items():
        for section in sections:
            for result in section.results:
                found.setdefault((section.title, result.name), {}).setdefault(host, []).append(result)
    merged: dict[str, list[Result]] = {}
    for (title, _), by_host in found.items():
        merged.setdefault(title, []).extend(_merge_result(by_host, len(nodes)))
    return [Section(title, tuple(results)) for title, results in merged.items()]


def _merge_result(by_host: Mapping[str, Sequence[Result]], num_nodes: int) -> Iterator[Result]:
    """One result for each state that nodes have."""
    alike: dict[str, list[tuple[str, Result]]] = {}
    for host, results in by_host.items():
        for result in results:
            alike.setdefault(result.state, []).append((host, result))
    for answers in alike.values():
        hosts = list(dict.fromkeys(host for host, _ in answers))
        result = answers[0][1]
        if len(alike) == 1 and len(hosts) == num_nodes:
            yield result
        else:
            yield replace(result, found=f"on {', '.join(hosts)}: {result.found}")


def try_backends(
    meeting: Meeting,
    runtime: Runtime,
    place: Place,
    environment: MutableMapping[str, str],
    tell: Callable[[Sequence[BackendTimes]], None],
) -> list[BackendTimes]:
    """Measure the backends that all processes have, one after the other.

    Args:
        meeting: of the same processes.
        runtime: what the experiment asks for.
        place: this process's place.
        environment: usually ``os.environ``; what the backends are to be told is set there.
        tell: called before and after each: a backend that hangs must not take what is known with it.
    """
    found = [meeting.times]
    tell(found)
    others = [pair for pair in meeting.backends if pair[0] != "gloo"]
    for number, (name, device) in enumerate(others, start=1):
        tell([*found, BackendTimes(name, device, place.world_size, error=SILENT)])
        found.append(_try_backend(name, device, runtime, _moved(place, number), environment))
        tell(found)
    return found


def _moved(place: Place, number: int) -> Place:
    """Another port: the one before may still be closing."""
    assert place.address is not None, "several processes have an address"
    host, port = place.address
    return replace(place, address=(host, port + number))


def _try_backend(
    name: str, device: str, runtime: Runtime, place: Place, environment: MutableMapping[str, str]
) -> BackendTimes:
    wanted = runtime.model_copy(update={"device": device, "backend": name, "ipex": "off"})
    try:
        prepared = prepare_process(wanted, place, environment)
        with join_processes(place, prepared.device, prepared.resolution.backend) as processes:
            return measure_all_reduce(processes, name)
    except (RhodiffError, RuntimeError) as error:
        return BackendTimes(name, device, place.world_size, error=" ".join(str(error).split()))


def results_of(times: Sequence[BackendTimes]) -> Section:
    """The section of all backends."""
    return Section("all-reduce", tuple(all_reduce_result(one) for one in times))
