"""What was found out about devices, collectives and IPEX, in words: all that the policy of ``resolution`` reads."""

from dataclasses import dataclass

__all__ = ["Probe", "Probes"]


@dataclass(frozen=True)
class Probe:
    """One look.

    Attributes:
        is_there: whether it can be used.
        words: what was seen; where it cannot be used, what to do about it.
    """

    is_there: bool
    words: str


@dataclass(frozen=True)
class Probes:
    """All looks of one process.

    Attributes:
        torch: torch's version, e.g. ``2.13.0+cpu``.
        xpu: Intel GPUs that torch sees.
        cuda: NVIDIA GPUs that torch sees.
        gloo: whether torch was built with it.
        nccl: whether torch was built with it.
        xccl: whether torch was built with it.
        ccl: whether oneccl_bindings_for_pytorch can be imported.
        oneccl: whether oneCCL itself is installed, for the backend that rhodiff compiles.
        ipex: version of intel-extension-for-pytorch, whether or not it fits.
        avx512: whether the CPU has it.
    """

    torch: str
    xpu: Probe
    cuda: Probe
    gloo: Probe
    nccl: Probe
    xccl: Probe
    ccl: Probe
    oneccl: Probe
    ipex: str | None
    avx512: Probe
