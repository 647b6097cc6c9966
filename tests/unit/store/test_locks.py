"""Locks between real processes: one holder at a time, the dead are taken over, the living are not."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from rhodiff.errors import RunBusyError
from rhodiff.store import locks
from rhodiff.store.locks import hold_lock

HOLD = """
import os, pathlib, sys
from rhodiff.store.locks import hold_lock
with hold_lock(pathlib.Path(sys.argv[1]), "training of x"):
    print("held", flush=True)
    sys.stdin.read()
"""

CONTEND = """
import os, pathlib, random, sys, time
from rhodiff.errors import RunBusyError
from rhodiff.store import locks

folder, rounds = pathlib.Path(sys.argv[1]), int(sys.argv[2])
lock, counter = folder / "lock", folder / "counter"
counter.write_text("0")
locks.TOUCH_S = 1000.0

def count(drawn, *, dying):
    # Dying leaves the lock behind.
    while True:
        try:
            with locks.hold_lock(lock, "counting"):
                before = int(counter.read_text())
                time.sleep(drawn.random() * 1e-3)
                counter.write_text(str(before + 1))
                if dying:
                    os._exit(0)
                return
        except RunBusyError:
            time.sleep(drawn.random() * 2e-3)

def work(seed):
    drawn = random.Random(seed)
    for _ in range(rounds):
        if drawn.random() < 0.3:
            child = os.fork()
            if child == 0:
                count(drawn, dying=True)
            os.waitpid(child, 0)
        else:
            count(drawn, dying=False)
    os._exit(0)

for seed in range(8):
    if os.fork() == 0:
        work(seed)
for _ in range(8):
    assert os.wait()[1] == 0
"""


def write_lock(path, *, host, pid, age_s=0.0, lineage=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = {"host": host, "pid": pid, "work": "training of x", "token": "t", "lineage": lineage}
    path.write_text(json.dumps(owner))
    then = time.time() - age_s
    os.utime(path, (then, then))


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    path = tmp_path / "locks" / "train"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield path, process
    process.kill()
    process.wait()


def test_the_lock_is_there_while_held_and_gone_after(tmp_path):
    path = tmp_path / "a" / "lock"
    with hold_lock(path, "work"):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert list(path.parent.iterdir()) == []
    with hold_lock(path, "work"):
        pass


def test_the_lock_is_released_after_an_error(tmp_path):
    with pytest.raises(ValueError, match="inside"), hold_lock(tmp_path / "lock", "work"):
        raise ValueError("inside")
    assert list(tmp_path.iterdir()) == []


def test_a_live_owner_is_not_taken_over_and_is_named(holder):
    path, process = holder
    with pytest.raises(
        RunBusyError, match=rf"process {process.pid} on {socket.gethostname()} .*remove {path}"
    ) as caught:
        hold_lock(path, "training of x").__enter__()
    assert caught.value.exit_code == 1
    assert json.loads(path.read_text())["pid"] == process.pid


def test_the_lock_of_a_killed_process_is_taken_over(holder):
    path, process = holder
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert path.exists()
    with hold_lock(path, "training of x"):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert list(path.parent.iterdir()) == []


def test_a_killed_process_that_nobody_waited_for_is_taken_over(holder):
    path, process = holder
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
    with hold_lock(path, "training of x"):
        pass


def test_an_owner_on_another_host_counts_as_alive_until_it_expires(tmp_path):
    path = tmp_path / "lock"
    write_lock(path, host="elsewhere", pid=1, age_s=100)
    with pytest.raises(RunBusyError, match="process 1 on elsewhere"):
        hold_lock(path, "work", expiry_s=200).__enter__()
    with hold_lock(path, "work", expiry_s=50):
        assert json.loads(path.read_text())["host"] == socket.gethostname()


def test_age_is_measured_by_the_clock_of_the_file_server(tmp_path, monkeypatch):
    """The clock of this host is ten hours ahead; the lock is as young as before."""
    path = tmp_path / "lock"
    write_lock(path, host="elsewhere", pid=1)
    ahead = time.time() + 36000
    monkeypatch.setattr(time, "time", lambda: ahead)
    with pytest.raises(RunBusyError):
        hold_lock(path, "work").__enter__()


def test_a_lock_that_is_not_written_yet_counts_as_held_until_it_expires(tmp_path):
    path = tmp_path / "lock"
    path.touch()
    with pytest.raises(RunBusyError, match="just starting"):
        hold_lock(path, "work").__enter__()
    os.utime(path, (0, 0))
    with hold_lock(path, "work"):
        pass


def test_the_owner_keeps_its_lock_young(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "TOUCH_S", 0.02)
    path = tmp_path / "lock"
    threads = threading.active_count()
    with hold_lock(path, "work"):
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 120
        while path.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0
    assert threading.active_count() == threads


def test_an_owner_that_lost_its_lock_does_not_remove_that_of_the_next(tmp_path):
    path = tmp_path / "lock"
    with hold_lock(path, "work"):
        write_lock(path, host="elsewhere", pid=1)
    assert json.loads(path.read_text())["host"] == "elsewhere"


def test_who_found_a_lock_stale_looks_again_before_removing_it(tmp_path, monkeypatch):
    """Between finding it stale and removing it another contender takes it over: its lock must survive."""
    path = tmp_path / "lock"
    write_lock(path, host="elsewhere", pid=1, age_s=1000)
    find_owner, seen = locks._live_owner, []

    def overtaken(lock, expiry_s):
        owner = find_owner(lock, expiry_s)
        if lock == path and not seen:
            seen.append(owner)
            write_lock(path, host="third", pid=3)
        return owner

    monkeypatch.setattr(locks, "_live_owner", overtaken)
    with pytest.raises(RunBusyError, match="process 3 on third"):
        hold_lock(path, "work").__enter__()
    assert seen == [None]
    assert [p.name for p in tmp_path.iterdir()] == ["lock"]


def test_who_finds_a_lock_gone_does_not_remove_the_next_one(tmp_path, monkeypatch):
    """A contender about to remove a stale lock finds it released; a moment later it is another's."""
    path = tmp_path / "lock"
    write_lock(path, host="elsewhere", pid=1, age_s=1000)
    find_owner, looks = locks._live_owner, []

    def released_and_taken(lock, expiry_s):
        looks.append(lock)
        if lock == path and looks.count(path) == 2:
            write_lock(path, host="third", pid=3)
            raise FileNotFoundError
        return find_owner(lock, expiry_s)

    monkeypatch.setattr(locks, "_live_owner", released_and_taken)
    with pytest.raises(RunBusyError, match="process 3 on third"):
        hold_lock(path, "work").__enter__()


def test_eight_contenders_that_die_with_the_lock_in_their_hands_lose_no_count(tmp_path):
    write_lock(tmp_path / "lock", host=socket.gethostname(), pid=2**22 + 1)
    subprocess.run([sys.executable, "-c", CONTEND, str(tmp_path), "12"], check=True, timeout=500)
    assert int((tmp_path / "counter").read_text()) == 8 * 12


def test_a_lock_of_ones_own_lineage_is_a_dead_attempts(tmp_path):
    """The node lost its power a second ago; the job runs again on another one."""
    path = tmp_path / "lock"
    write_lock(path, host="elsewhere", pid=1, lineage="rho/12ab/0")
    with pytest.raises(RunBusyError):
        hold_lock(path, "work", lineage="rho/34cd/0").__enter__()
    with hold_lock(path, "work", lineage="rho/12ab/0"):
        assert json.loads(path.read_text())["host"] == socket.gethostname()


def test_who_has_patience_gets_the_lock_when_its_owner_leaves(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    write_lock(path, host="elsewhere", pid=1)
    monkeypatch.setattr(locks.time, "sleep", lambda _: path.unlink())
    with hold_lock(path, "work", patience_s=60):
        assert json.loads(path.read_text())["host"] == socket.gethostname()


def test_a_lock_whose_owner_was_killed_before_it_could_sign_is_taken_over(tmp_path):
    path = tmp_path / "lock"
    path.touch()
    with pytest.raises(RunBusyError, match="just starting"), hold_lock(path, "work"):
        pass
    os.utime(path, (time.time() - 20, time.time() - 20))
    with hold_lock(path, "work"):
        assert path.read_text()
