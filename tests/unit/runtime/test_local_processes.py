"""Local processes start together, fail together and stop together. All with real processes."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from rhodiff.runtime import local_processes
from rhodiff.runtime.local_processes import run_processes

PARENT = """
import sys
from rhodiff.runtime.local_processes import run_processes
child = [sys.executable, "-c", sys.argv[1], sys.argv[2]]
sys.exit(run_processes([child, child]))
"""
COUNT_SIGNALS = """
import os, pathlib, signal, sys, time
seen = []
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
    signal.signal(number, lambda number, _: seen.append(signal.Signals(number).name))
folder = pathlib.Path(sys.argv[1])
(folder / f"ready-{os.environ['RANK']}").touch()
while not seen:
    time.sleep(0.01)
time.sleep(0.3)
(folder / f"seen-{os.environ['RANK']}").write_text(" ".join(seen))
sys.exit(75)
"""


def python(code):
    return [sys.executable, "-c", code]


def test_the_result_of_success_is_0():
    assert run_processes([python("pass")] * 2) == 0


def test_the_exit_code_is_that_of_the_process_that_failed_and_the_others_are_ended():
    assert run_processes([python("import time; time.sleep(3600)"), python("import sys; sys.exit(5)")]) == 5


def test_a_killed_process_counts_as_a_shell_would_count_it():
    assert run_processes([python("import os; os.kill(os.getpid(), 9)")]) == 128 + 9


def test_a_process_that_will_not_stop_is_killed(monkeypatch, tmp_path):
    monkeypatch.setattr(local_processes, "GRACE_S", 0.3)
    deaf = tmp_path / "deaf"
    stubborn = (
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(deaf)!r}).touch(); time.sleep(3600)"
    )
    failing = f"import os, sys, time\nwhile not os.path.exists({str(deaf)!r}): time.sleep(0.01)\nsys.exit(3)"
    assert run_processes([python(stubborn), python(failing)]) == 3


def test_each_process_gets_its_place_and_the_same_address(tmp_path):
    code = (
        "import os, pathlib; names = ('WORLD_SIZE', 'LOCAL_RANK', 'LOCAL_WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT')\n"
        f"pathlib.Path({str(tmp_path)!r}, os.environ['RANK']).write_text(' '.join(os.environ[n] for n in names))"
    )
    assert run_processes([python(code)] * 2) == 0
    first, second = ((tmp_path / rank).read_text().split() for rank in "01")
    assert first[:4] == ["2", "0", "2", "127.0.0.1"]
    assert second[:4] == ["2", "1", "2", "127.0.0.1"]
    assert first[4] == second[4]


def test_what_processes_print_is_not_the_result(capfd):
    assert run_processes([python("import sys; print('result'); print('progress', file=sys.stderr)")]) == 0
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == "progress\n"


def test_signal_handlers_are_those_of_before():
    before = signal.getsignal(signal.SIGTERM)
    run_processes([python("pass")])
    assert signal.getsignal(signal.SIGTERM) is before


def test_if_a_command_does_not_exist_the_ones_before_are_ended(tmp_path):
    pid = tmp_path / "pid"
    sleeping = f"import os, pathlib, time; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(3600)"
    with pytest.raises(FileNotFoundError):
        run_processes([python(sleeping), ["/no/such/program"]])
    assert not pid.exists() or _ends(int(pid.read_text()))


def _ends(pid):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                return True
        except ChildProcessError:  # it was waited for already
            return True
        time.sleep(0.02)
    return False


def wait_for(*paths):
    deadline = time.monotonic() + 120
    while not all(path.exists() for path in paths):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("sent", "to_group", "received"),
    [
        (signal.SIGTERM, False, {"SIGTERM"}),
        (signal.SIGUSR1, False, {"SIGUSR1"}),
        (signal.SIGINT, False, {"SIGTERM"}),
        (signal.SIGINT, True, {"SIGINT", "SIGTERM"}),
    ],
)
def test_stop_signals_are_passed_on_once(tmp_path, sent, to_group, received):
    """Ctrl-C reaches parent and children: a second SIGINT would make a training leave without saving."""
    command = [sys.executable, "-c", PARENT, COUNT_SIGNALS, str(tmp_path)]
    parent = subprocess.Popen(command, start_new_session=True)
    try:
        wait_for(tmp_path / "ready-0", tmp_path / "ready-1")
        os.killpg(parent.pid, sent) if to_group else parent.send_signal(sent)
        assert parent.wait(timeout=120) == 75
    finally:
        parent.kill()
    for rank in "01":
        seen = (tmp_path / f"seen-{rank}").read_text().split()
        assert set(seen) <= received | {"SIGTERM"}
        assert seen.count("SIGINT") <= 1
        assert received & set(seen)


def test_handlers_need_the_main_thread():
    """A library user who calls it elsewhere gets Python's own error, not a process that cannot be stopped."""
    errors = []

    def attempt():
        try:
            run_processes([python("pass")])
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert len(errors) == 1
