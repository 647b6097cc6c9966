"""``rhodiff-hpc run`` as jobs start it: its folder, its heartbeat, its stacks."""

import signal
import subprocess
import sys

from rhodiff.runtime.heartbeat import read_heartbeat


def test_paths_start_in_the_folder_that_is_given_wherever_the_pinned_file_lies(call, folder, tmp_path_factory):
    start = tmp_path_factory.mktemp("start")
    ended = call("run", "prepare", "-c", folder / "rhodiff.yaml", "--folder", start)
    assert ended.code == 0, ended.err
    assert ended.out.startswith(str(start))
    assert not (folder / "data").exists()


def test_processes_side_by_side_start_in_that_folder_too_and_print_one_result(call, folder, tmp_path_factory):
    """The two children are real commands."""
    start = tmp_path_factory.mktemp("start")
    ended = call("run", "prepare", "-c", folder / "rhodiff.yaml", "--folder", start, "--procs", "2", "--json")
    assert ended.code == 0, ended.err
    assert ended.value["stage"] == "prepare"
    (markers,) = start.glob("data/*/markers")
    assert (start / ended.value["data"]).samefile(markers.parent)
    assert len(list(markers.glob("shard-*"))) == 4
    assert (markers / "done.json").exists()


def test_a_folder_that_is_not_there_is_refused(call, folder):
    ended = call("run", "prepare", "--folder", folder / "gone")
    assert ended.code == 2
    assert "gone" in ended.err


def test_a_job_hears_how_far_the_work_is_and_other_ranks_say_nothing(call, folder, monkeypatch):
    beat = folder / "000000.heartbeat.json"
    monkeypatch.setenv("RHODIFF_HEARTBEAT", str(beat))
    for rank in ("1", "0"):
        for name, value in {"RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "x", "MASTER_PORT": "1"}.items():
            monkeypatch.setenv(name, value)
        assert not beat.exists()
        assert call("run", "prepare", "--quiet", "--part", f"{rank}/2").code == 0
    assert (read_heartbeat(beat).done, read_heartbeat(beat).total) == (2, 2)


def test_sigusr2_shows_the_stacks_of_all_threads_and_ends_nothing(folder):
    code = (
        "import sys, threading, time\nfrom rhodiff.cli import run\nfrom rhodiff.stages import prepare\n"
        "def hangs(*_):\n    threading.Thread(target=waits, daemon=True).start()\n    begun.wait()\n"
        "    print('hangs', flush=True)\n    sys.stdin.read()\n    raise SystemExit(0)\n"
        "begun = threading.Event()\ndef waits():\n    begun.set()\n    time.sleep(3600)\n"
        "prepare.prepare = hangs\nsys.argv = ['rhodiff-hpc', 'run', 'prepare']\n"
        "from rhodiff.cli.app import main\nmain()\n"
    )
    words = [sys.executable, "-c", code]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = subprocess.Popen(words, cwd=folder, text=True, **pipes)
    assert process.stdout.readline() == "hangs\n"
    process.send_signal(signal.SIGUSR2)
    shown = []
    while not any("in hangs" in line for line in shown):  # the main thread's stack is the last one
        shown.append(process.stderr.readline())
        assert shown[-1], "it has ended"
    err = "".join(shown) + process.communicate(timeout=120)[1]
    assert process.returncode == 0, err
    assert "in hangs" in err
    assert "in waits" in err
