"""What the exit code of a job or of its work means, in words."""

import signal

from rhodiff.jobs.scheduler import JobRecord

__all__ = ["code_of", "describe_exit", "is_memory_exhausted"]

MEANINGS = {
    1: "the stage failed",
    2: "the request or an input is wrong",
    3: "the scheduler did not answer",
    4: "a submission was uncertain",
    5: "the environment lacks something that was demanded",
    75: "stopped early on purpose; it can go on",
    76: "the connection to another process of the training was lost",
    126: "the command cannot be executed",
    127: "the command was not found",
}
SIGNALS = {
    signal.SIGKILL: "killed, most often for using too much memory",
    signal.SIGTERM: "told to end by the scheduler or by hand",
    signal.SIGSEGV: "crashed: it touched memory that is not its own",
    signal.SIGBUS: "crashed: a mapped file was cut short, or /dev/shm is full",
    signal.SIGABRT: "gave up by itself (abort)",
    signal.SIGILL: "crashed: this CPU lacks an instruction that the program was built for",
    signal.SIGXCPU: "used up its CPU time limit",
    signal.SIGINT: "interrupted by hand",
}
OUT_OF_MEMORY = "OUT_OF_MEMORY"


def describe_exit(code: int) -> str:
    """``exit code 2: the request or an input is wrong``; ``signal SIGKILL: killed, ...``.

    Args:
        code: exit code; negative, or more than 128: the signal that ended it.
    """
    number = -code if code < 0 else code - 128 if code > 128 else 0
    if number:
        try:
            name = signal.Signals(number).name
        except ValueError:
            return f"signal {number}"
        return f"signal {name}" + (f": {SIGNALS[signal.Signals(number)]}" if number in SIGNALS else "")
    return f"exit code {code}" + (f": {MEANINGS[code]}" if code in MEANINGS else "")


def code_of(record: JobRecord) -> int | None:
    """Exit code of a job as one number, negative for a signal; None where it is not known."""
    code, _, number = (record.exit_code or "").partition(":")
    if not code.isdecimal():
        return None
    return -int(number) if number.isdecimal() and int(number) else int(code)


def is_memory_exhausted(state: str, code: int | None, text: str) -> bool:
    """Whether too much memory was used, as far as can be told.

    Args:
        state: Slurm's word; empty where not known.
        code: exit code of the work.
        text: reason and last lines.
    """
    words = text.lower()
    said = any(phrase in words for phrase in ("oom", "out of memory", "out_of_memory", "cannot allocate memory"))
    return state.startswith(OUT_OF_MEMORY) or said or code in {-signal.SIGKILL, 128 + signal.SIGKILL}
