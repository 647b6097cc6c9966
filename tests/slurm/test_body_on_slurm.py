"""The job body on a real cluster: all that can happen to a job happens to one of these at the same time."""

import json
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from slurm_cluster import Cluster, wait_until

from rhodiff.jobs.attempts import read_attempts
from rhodiff.jobs.submission_plan import Allocation, BodyRules, Launch, Piece, SubmissionPlan
from rhodiff.store.files import write_json
from rhodiff.store.layout import SubmissionFolder

ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}
TWO_BY_TWO = {"launch": Launch("srun"), "allocation": Allocation(nodes=2, tasks_per_node=2)}
TWO_NODES = {"launch": Launch("srun"), "allocation": Allocation(nodes=2)}

ALONE = (Piece(0, 0, 1, False),)
ONCE = "echo {part} >> ran"
SAVES = """
state=state.$SLURM_PROCID
trap 'echo saved; exit 75' USR1 TERM
if [ -e $state ]; then echo goes on; exit 0; fi
touch $state
while :; do sleep 0.2; done
"""
HANGS = """
import faulthandler, signal, time
faulthandler.register(signal.SIGUSR2)
def hangs():
    time.sleep(999)
hangs()
"""


@dataclass
class Submission:
    """A submission with a plan of one's own, handed over by a script of the shape that the scheduler's has."""

    cluster: Cluster
    folder: SubmissionFolder
    plan: SubmissionPlan
    jobs: list[str]

    def submit(self, piece=0, *options):
        """Hand over a piece; node 4 is left to the job that is preempted."""
        wanted, asked, rules = self.plan.pieces[piece], self.plan.allocation, self.plan.rules
        job = self.cluster.sbatch(
            f"exec '{sys.executable}' -m rhodiff.jobs.body '{self.folder.path}' --piece {piece}",
            f"--job-name={self.plan.job_name(piece)}",
            f"--output={self.folder.logs / ('%A_%a.log' if wanted.is_array else '%j.log')}",
            "--requeue",
            f"--nodes={asked.nodes}",
            f"--ntasks-per-node={asked.tasks_per_node}",
            f"--signal=B:USR1@{rules.stop_margin_s}",
            *([f"--array=0-{wanted.count - 1}"] if wanted.is_array else []),
            *(options or [f"--exclude={self.cluster.nodes[3]}"]),
        )
        self.jobs.append(job)
        return job

    def runs(self):
        """Wait until the element works."""
        path = self.folder.path
        wait_until(lambda: any(path.glob("state*")) or (path / "ran").exists(), f"{path.name} at work")

    def has_ended(self):
        return all(self.cluster.state(job) in ENDED for job in self.jobs)

    def attempts(self, element=0):
        return read_attempts(self.folder.attempts(element))

    def verdicts(self, element=0):
        return [attempt.verdict for attempt in self.attempts(element)]

    def marks(self):
        """Names of the markers that tell how elements ended."""
        return sorted(
            p.name for p in self.folder.markers.iterdir() if ".attempts." not in p.name and "claim" not in p.name
        )

    def log(self):
        return "".join(path.read_text() for path in sorted(self.folder.logs.iterdir()))

    def ran(self):
        return sorted((self.folder.path / "ran").read_text().split())

    def states(self):
        return [self.cluster.state(job) for job in self.jobs]


@pytest.fixture(scope="module")
def submissions(cluster, tmp_path_factory):
    """Everything that happens, by name; it has all ended."""
    root = tmp_path_factory.mktemp("bodies")
    root.chmod(0o755)
    found = {}

    def make(name, command, pieces=ALONE, elements=1, rules=None, **plan):
        folder = SubmissionFolder(root / name)
        folder.markers.mkdir(parents=True)
        folder.logs.mkdir()
        words = ("/bin/sh", "-c", command) if isinstance(command, str) else tuple(command)
        values = {"pack": 1, "side_by_side": 1, "allocation": Allocation(), "launch": Launch(), **plan}
        plan = SubmissionPlan(
            token=secrets.token_hex(4),
            number=1,
            cluster=cluster.name,
            scheduler="slurm",
            stage="prepare",
            run="run",
            folder=str(folder.path),
            created="",
            user="",
            host="",
            site="testbed",
            command=words,
            num_parts=elements,
            elements=tuple(range(elements)),
            rules=rules or BodyRules(patience_after_term_s=20, early_death_s=60, stop_margin_s=20),
            pieces=tuple(pieces),
            **values,
        )
        write_json(folder.plan, plan.to_plain())
        found[name] = Submission(cluster, folder, plan, [])
        return found[name]

    happen(cluster, make)
    wait_until(lambda: all(s.has_ended() for s in found.values()), "the end of all jobs")
    return found


def happen(cluster, make):
    """Submit everything, and do to it what is to be done."""
    limit = make("time limit", SAVES)
    limit.submit(0, "--time=1", f"--exclude={cluster.nodes[3]}")
    preempted = make("preempted", SAVES)
    preempted.submit(0, "--partition=preempt", "--exclusive", f"--nodelist={cluster.nodes[3]}")
    by_hand = make("requeued by hand", SAVES)
    asked = make("asked by a signal", SAVES)
    asked_steps = make("asked by a signal to its steps", SAVES, **TWO_NODES)
    cancelled = make("cancelled", SAVES)
    for one in (by_hand, asked, asked_steps, cancelled):
        one.submit()

    for one in (by_hand, asked, asked_steps, cancelled, preempted):
        one.runs()
    wait_until(lambda: (asked_steps.folder.path / "state.1").exists(), "both ranks")
    cluster.command("scontrol", "requeue", by_hand.jobs[0])
    cluster.command("scancel", "--batch", "--signal=USR1", asked.jobs[0])
    cluster.command("scancel", "--signal=USR1", asked_steps.jobs[0])
    cluster.command("scancel", cancelled.jobs[0])
    cluster.sbatch("sleep 1", "--exclusive", f"--nodelist={cluster.nodes[3]}")

    array = [Piece(0, 0, 2, True)]
    make(
        "killed", "echo {part} >> ran; [ {part} = 1/2 ] || [ -e once ] || { touch once; kill -9 $$; }", array, 2
    ).submit()
    packed = make("packed", ONCE + "; [ {part} != 1/4 ] || exit 3", array, 4, pack=2, side_by_side=2)
    packed.submit()
    packed.submit()
    chain = [Piece(0, 0, 1, False), Piece(1, 0, 1, False, link=1, after=(0,))]
    done = make("chain that is done", ONCE, chain)
    done.submit(1, f"--dependency=afterany:{done.submit()}")
    no_requeue = BodyRules(may_requeue=False, stop_margin_s=20)
    stopped = make("chain that stops", "[ -e once ] || { touch once; exit 75; }", chain, rules=no_requeue)
    stopped.submit(1, f"--dependency=afterany:{stopped.submit()}")
    make(
        "ranks", "echo $SLURM_PROCID,$SLURM_NTASKS,$MASTER_ADDR,$MASTER_PORT,$OMP_NUM_THREADS >> ran", **TWO_BY_TWO
    ).submit()
    patience = BodyRules(stall_timeout_s=10, max_attempts_without_progress=1)
    make("hangs", [sys.executable, "-c", HANGS], rules=patience, **TWO_NODES).submit()


@pytest.mark.parametrize("name", ["time limit", "preempted", "asked by a signal", "asked by a signal to its steps"])
def test_a_job_that_is_asked_to_stop_saves_and_goes_on_after_its_restart(submissions, name):
    job = submissions[name]
    assert job.verdicts() == ["stopped", "done"], job.log()
    assert [attempt.restart for attempt in job.attempts()] == [0, 1]
    assert job.attempts()[0].exit_code in {75, 137, 143}
    assert job.marks() == ["000000.done.json"]
    assert job.states() == ["COMPLETED"]
    assert "saved" in job.log()
    assert "goes on" in job.log()


def test_a_requeue_by_hand_is_a_lost_attempt_and_the_next_one_says_so(submissions):
    job = submissions["requeued by hand"]
    assert job.verdicts()[-1] == "done", job.log()
    assert len(job.verdicts()) == 2
    assert job.marks() == ["000000.done.json"]


def test_a_cancelled_job_stays_cancelled(submissions):
    job = submissions["cancelled"]
    assert job.states() == ["CANCELLED"]
    assert len(job.attempts()) == 1
    assert "goes on" not in job.log()
    assert not job.folder.done(0).exists()


def test_a_killed_element_is_tried_again_alone_and_on_another_node(submissions):
    job = submissions["killed"]
    assert job.verdicts(0) == ["again", "done"], job.log()
    assert job.verdicts(1) == ["done"]
    assert job.ran() == ["0/2", "0/2", "1/2"]
    first, second = job.attempts(0)
    assert first.suspect == (first.host,)
    assert second.host != first.host
    excluded = job.cluster.job(f"{job.jobs[0]}_0")["ExcNodeList"]
    assert first.host in excluded and job.cluster.nodes[3] in excluded


def test_packed_elements_are_all_tried_and_a_doubled_submission_is_harmless(submissions):
    job = submissions["packed"]
    assert job.ran() == ["0/4", "1/4", "2/4", "3/4"]
    assert job.marks() == ["000000.done.json", "000001.failed.json", "000002.done.json", "000003.done.json"]
    assert "submitted twice" in job.log()
    mine, doubled = job.jobs
    assert [job.cluster.state(f"{mine}_{k}") for k in range(2)] == ["FAILED", "COMPLETED"]
    assert [job.cluster.state(f"{doubled}_{k}") for k in range(2)] == ["COMPLETED"] * 2
    reason = json.loads(job.folder.failed(1).read_text())
    assert (reason["exit_code"], reason["reason"], reason["job"]) == (3, "exit code 3", f"{mine}_0")
    assert reason["host"] in job.cluster.nodes


def test_the_second_member_of_a_chain_leaves_at_once_where_the_first_one_finished(submissions):
    job = submissions["chain that is done"]
    assert job.states() == ["COMPLETED"] * 2
    assert job.ran() == ["0/1"]


def test_the_second_member_of_a_chain_goes_on_where_the_first_one_stopped(submissions):
    job = submissions["chain that stops"]
    assert job.states() == ["FAILED", "COMPLETED"]
    assert job.cluster.job(job.jobs[0])["ExitCode"] == "75:0"
    assert [attempt.job for attempt in job.attempts()] == job.jobs
    assert job.marks() == ["000000.done.json"]


def test_all_ranks_of_two_nodes_are_told_the_same_address(submissions):
    told = [line.split(",") for line in submissions["ranks"].ran()]
    assert [(rank, size) for rank, size, *_ in told] == [(str(k), "4") for k in range(4)]
    assert len({tuple(rest) for _, _, *rest in told}) == 1
    assert told[0][2] in submissions["ranks"].cluster.nodes


def test_a_hanging_training_shows_the_stacks_of_all_its_ranks_and_is_ended(submissions):
    job = submissions["hangs"]
    assert job.marks() == ["000000.failed.json"], job.log()
    for rank in range(2):
        assert any(line.startswith(f"{rank}: ") and "in hangs" in line for line in job.log().splitlines())
    assert "no step for 10 s" in json.loads(job.folder.failed(0).read_text())["reason"]


def test_nothing_but_attempts_and_one_marker_is_left_of_an_element(submissions):
    for job in submissions.values():
        left = [path.name for path in Path(job.folder.markers).iterdir()]
        assert not [name for name in left if "heartbeat" in name or "stopped" in name or name.endswith(".tmp")]
