"""Data-parallel training with real gloo processes: the split over processes does not change what is computed."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch
from experiments import LIMIT_S, SERVER, free_port, torchrun_environment, wait_until
from holds import all_of, ask_after_every_step, hold_in_step

from rhodiff.config.loading import load_experiment
from rhodiff.runtime.devices import configure_torch
from rhodiff.runtime.places import place_from_environment
from rhodiff.runtime.processes import Processes, join_processes
from rhodiff.runtime.progress import Silent
from rhodiff.stages.train import build_parts
from rhodiff.stages.workspace import Workspace
from rhodiff.store.journal import read_journal
from rhodiff.training.batches import BatchSource
from rhodiff.training.gradient import batch_gradient
from rhodiff.training.parallel import share_network

STOPPED_EARLY = 75


def record_batches(folder: Path) -> None:
    """Have this process write down every sample that it makes."""
    make = BatchSource.make
    path = folder / f"stream-{os.getpid()}.jsonl"

    def recorded(self, iteration, positions):
        batch = make(self, iteration, positions)
        chosen = self._order.batch(iteration, positions)
        with path.open("a") as handle:
            for row, position in enumerate(batch.positions.tolist()):
                noise, field = batch.noise[row].tolist(), batch.fields[row].tolist()
                sample = [int(chosen[row]), batch.uniform[row].item(), noise, field]
                handle.write(json.dumps([iteration, position, sample]) + "\n")
        return batch

    BatchSource.make = recorded


def read_stream(folder: Path) -> dict[tuple[int, int], list]:
    """Samples by iteration and position; a sample made twice must be the same both times."""
    samples: dict[tuple[int, int], list] = {}
    for path in folder.glob("stream-*.jsonl"):
        for line in path.read_text().splitlines():
            iteration, position, sample = json.loads(line)
            assert samples.setdefault((iteration, position), sample) == sample
    return samples


@pytest.mark.slow
def test_training_resumed_on_another_number_of_processes_goes_on_with_the_same_samples(lab, tmp_path):
    lab.overrides += ("training.checkpoint_every=5",)
    alone = lab.sibling(tmp_path / "alone")
    alone.do("run", "train", before=partial(record_batches, alone.folder))

    disturbed = partial(all_of, partial(record_batches, lab.folder), ask_after_every_step, partial(hold_in_step, 13))
    numbers = []
    for number in (1, 2):
        ranks = lab.start_ranks(number, "run", "train", before=disturbed)
        for rank in ranks:
            rank.wait_until_held()
        for rank in ranks:
            rank.send(signal.SIGTERM, signal.SIGCONT)
        assert [rank.wait().code for rank in ranks] == [STOPPED_EARLY] * number
        numbers.append(lab.final()["iteration"])
    lab.do_ranks(3, "run", "train", before=partial(record_batches, lab.folder))

    assert numbers == [13, 26]
    expected, found = read_stream(alone.folder), read_stream(lab.folder)
    assert len(expected) == 40 * 8
    assert found == expected
    assert [loss for _, loss in lab.losses()] == pytest.approx([loss for _, loss in alone.losses()], rel=1e-5)
    for part in ("model", "ema"):
        for name, weight in alone.final()[part].items():
            torch.testing.assert_close(lab.final()[part][name], weight, rtol=1e-4, atol=1e-4)


def compute_gradient(
    folder: str, data: str, path: str, environment: dict[str, str], settings: tuple[str, ...]
) -> None:
    """Write the gradient of the first global batch of 40, as rank 0 has it; weights are not those of the start."""
    os.environ.update(environment)
    overrides = [f"paths.data={data}", "training.batch_size=40", *(f"training.{one}" for one in settings)]
    experiment = load_experiment(Path(folder) / "rhodiff.yaml", overrides)
    workspace = Workspace(experiment, Path(folder), Silent())
    configure_torch(1, 1, deterministic=True)
    place = place_from_environment(os.environ)
    with join_processes(place, torch.device("cpu")) as processes:
        take_gradient(workspace, processes, path)


def take_gradient(workspace: Workspace, processes: Processes, path: str) -> None:
    """A function of its own: the wrapped network must be gone before the processes part."""
    parts, place = build_parts(workspace, processes), processes.place
    generator = torch.Generator().manual_seed(1)
    for weight in parts.network.parameters():  # the last layer starts at zero and would hide all others
        weight.data += 0.1 * torch.randn(weight.shape, generator=generator)
    network = share_network(parts.network, workspace.experiment.training, processes)
    batch = parts.batches.make(3, processes.share(place.rank, 40))
    batch_gradient(network, parts.formulation, batch, workspace.experiment.training, processes)
    if processes.is_first:
        torch.save({name: weight.grad for name, weight in parts.network.named_parameters()}, path)


def gradient(lab, number: int, *settings: str) -> dict[str, torch.Tensor]:
    path, port = lab.folder / f"gradient-{number}-{len(settings)}.pt", free_port()
    data = str(lab.overrides[0].partition("=")[2] if lab.overrides else lab.folder / "data")
    ranks = [
        SERVER.Process(
            target=compute_gradient,
            args=(str(lab.folder), data, str(path), torchrun_environment(rank, number, port), settings),
        )
        for rank in range(number)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(LIMIT_S)
        assert rank.exitcode == 0
    return torch.load(path)


@pytest.fixture(scope="module")
def whole_gradient(prepared) -> dict[str, torch.Tensor]:
    return gradient(prepared, 1)


@pytest.mark.parametrize(
    ("number", "settings"),
    [
        (2, ()),
        (3, ()),
        (1, ("micro_batch=7",)),
        (2, ("micro_batch=6",)),
        (2, ("bucket_mb=0.001",)),
        (2, ("static_graph=true", "bucket_mb=100")),
    ],
)
def test_gradient_of_a_global_batch_of_40_does_not_depend_on_its_split(number, settings, lab, whole_gradient):
    split = gradient(lab, number, *settings)
    for name, expected in whole_gradient.items():
        assert expected.abs().max() > 0, name
        difference = (split[name] - expected).abs().max() / expected.abs().max()
        assert difference < 1e-5, f"{name}: {difference:.1e}"


def test_second_training_of_a_run_is_refused_and_the_first_one_undisturbed(long_lab, undisturbed_long):
    first = long_lab.start("run", "train", before=partial(hold_in_step, 5))
    first.wait_until_held()  # however fast the machine, it must still be at work when the second one comes
    second = long_lab.run("run", "train")
    first.send(signal.SIGCONT)

    assert second.code == 1
    assert f"process {first.pid} on" in second.err
    assert "works on it already" in second.err
    assert second.err.count("error:") == 1
    assert first.wait().code == 0
    assert long_lab.losses() == undisturbed_long.losses()


def test_refused_training_of_two_processes_does_not_hang(long_lab):
    first = long_lab.start("run", "train", before=partial(hold_in_step, 5))
    first.wait_until_held()
    ranks = [rank.wait() for rank in long_lab.start_ranks(2, "run", "train")]

    assert [rank.code for rank in ranks] == [1, 1]
    assert ranks[0].err.count("works on it already") == 1
    assert ranks[1].err == ""
    assert first.is_held()
    first.send(signal.SIGTERM, signal.SIGCONT)
    assert first.wait().code == STOPPED_EARLY


@pytest.mark.slow
def test_killed_rank_ends_the_command_with_a_reason_and_the_rerun_goes_on(long_lab):
    command = ("run", "train", "--procs", "2", "--set", "training.iterations=1000000")
    started = long_lab.start(*command)
    wait_until(lambda: long_lab.checkpoints_done() >= 2, started)
    children = psutil.Process(started.pid).children()
    assert len(children) == 2
    before = time.monotonic()
    children[1].kill()
    ended = started.wait(90)

    assert time.monotonic() - before < 60
    assert ended.code not in (0, STOPPED_EARLY)
    assert "lost the connection to another one, which was killed" in ended.err
    assert "Traceback" not in ended.err
    assert not any(child.is_running() for child in children)
    reached = long_lab.checkpoints_done()
    again = long_lab.start(*command)
    wait_until(lambda: long_lab.checkpoints_done() > reached, again)
    again.send(signal.SIGTERM)
    ended = again.wait()
    assert ended.code == STOPPED_EARLY
    assert "going on from" in ended.err


def processes_of_the_training(lab):
    return [e["processes"] for e in read_journal(lab.run_folder() / "journal") if e["event"] == "training ended"]


def test_bare_srun_starts_a_training_of_all_its_tasks(lab):
    job = 400 + os.getpid() % 500
    ranks = [
        lab.start(
            "run",
            "train",
            environment={
                "SLURM_JOB_ID": str(job),
                "SLURM_STEP_ID": "0",
                "SLURM_PROCID": str(rank),
                "SLURM_NTASKS": "2",
                "SLURM_LOCALID": str(rank),
                "SLURM_NODEID": "0",
                "SLURM_STEP_NODELIST": "localhost",
                "SLURM_STEP_TASKS_PER_NODE": "2",
            },
        )
        for rank in range(2)
    ]
    ended = [rank.wait() for rank in ranks]

    assert [e.code for e in ended] == [0, 0], ended[0].err + ended[1].err
    assert [e.out.count("step-") for e in ended] == [1, 0], "the first one alone tells"
    assert processes_of_the_training(lab) == [2]


@pytest.mark.slow
def test_torchrun_starts_a_training_of_all_its_processes(lab):
    sets = [word for override in lab.overrides for word in ("--set", override)]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*command, "-m", "rhodiff.cli", "run", "train", *sets], cwd=lab.folder, check=True, timeout=500)
    assert processes_of_the_training(lab) == [2]


def test_more_processes_than_samples_in_a_batch_are_refused_once(lab):
    ended = [r.wait() for r in lab.start_ranks(3, "run", "train", "--set", "training.batch_size=2")]

    assert [e.code for e in ended] == [2, 2, 2]
    assert "training.batch_size 2" in ended[0].err
    assert ended[1].err == ended[2].err == ""
