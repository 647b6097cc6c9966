"""What a process of a training settles before it meets the others: device, backend, IPEX, and its environment."""

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from rhodiff.config.experiment import Runtime
from rhodiff.runtime.collective_variables import collective_variables, device_variables
from rhodiff.runtime.contract import Variable, apply_variables, read_site_proposals, settle_variables
from rhodiff.runtime.devices import device_of
from rhodiff.runtime.oneccl.installation import find_installation
from rhodiff.runtime.places import Place
from rhodiff.runtime.probing import probe_environment
from rhodiff.runtime.resolution import OURS, Request, Resolution, resolve

__all__ = ["Preparation", "contract_of", "prepare_process", "resolve_runtime"]


@dataclass(frozen=True)
class Preparation:
    """What was settled.

    Attributes:
        device: of this process.
        resolution: what was chosen, and why.
        variables: the environment that the libraries find.
    """

    device: torch.device
    resolution: Resolution
    variables: tuple[Variable, ...]

    def to_record(self) -> dict[str, Any]:
        """As JSON values."""
        return {**self.resolution.to_record(), "variables": [asdict(variable) for variable in self.variables]}


def resolve_runtime(runtime: Runtime, num_processes: int) -> Resolution:
    """Choose for so many processes, by what this one sees.

    Raises:
        ConfigError: for a backend that does not carry tensors of the device.
        EnvironmentLacksError: if something that was demanded is absent.
    """
    request = Request(runtime.device, runtime.backend, runtime.ipex, num_processes)
    return resolve(request, probe_environment(loads_oneccl=runtime.backend == "oneccl"))


def prepare_process(runtime: Runtime, place: Place, environment: MutableMapping[str, str]) -> Preparation:
    """Settle all, and set what is not set in the environment.

    Args:
        runtime: the ``runtime`` section.
        place: this process's place.
        environment: usually ``os.environ``.

    Raises:
        ConfigError: for a backend that does not carry tensors of the device.
        EnvironmentLacksError: if something that was demanded is absent.
    """
    if runtime.device != "cpu":
        apply_variables(
            settle_variables(environment, read_site_proposals(environment), device_variables()), environment
        )
    resolution = resolve_runtime(runtime, place.world_size)
    variables = contract_of(resolution, place, environment)
    apply_variables(variables, environment)
    return Preparation(device_of(resolution.device, place.local_rank), resolution, variables)


def contract_of(resolution: Resolution, place: Place, environment: Mapping[str, str]) -> tuple[Variable, ...]:
    """The environment that a process's libraries are to find; nothing is set.

    Args:
        resolution: what is used.
        place: the process's place.
        environment: as it is.
    """
    fabric = find_installation(environment).fabric if resolution.backend == OURS else None
    providers = None if fabric is None else fabric.parent
    proposed = collective_variables(resolution.backend, place, os.sched_getaffinity(0), providers)
    if resolution.device == "xpu":
        proposed = {**device_variables(), **proposed}
    return tuple(settle_variables(environment, read_site_proposals(environment), proposed))
