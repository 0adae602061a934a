"""Worker processes end with the run, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import pytest

from agn_d2.utils.workers import map_in_workers

# With a package that has the modules and imports none: its workers would import PyTorch.
PROGRAM = """
import os, signal, sys, time
from agn_d2.utils.workers import map_in_workers

def sleep(number):
    time.sleep(0.2)
    return os.getpid()

def die(number):
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    try:
        for _, pid in map_in_workers(globals()[sys.argv[1]], range(1000), 2):
            print(pid, flush=True)
    except KeyboardInterrupt:
        sys.exit(130)
    except ChildProcessError as error:
        sys.exit(str(error))
"""


def _start(folder, function):
    (folder / "program.py").write_text(PROGRAM)
    (folder / "agn_d2").mkdir()
    modules = str(Path(__file__).parents[2] / "agn_d2")
    (folder / "agn_d2" / "__init__.py").write_text(f"__path__ = [{modules!r}]\n")
    return subprocess.Popen(
        [sys.executable, "program.py", function],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )


def _gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="reads /proc")
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGKILL, -9)],
    ids=["SIGINT", "SIGTERM", "SIGKILL"],
)
def test_no_worker_outlives_the_run(tmp_path, number, status):
    process = _start(tmp_path, "sleep")
    workers = set()
    while len(workers) < 2:
        workers.add(int(process.stdout.readline()))
    process.send_signal(number)
    assert process.wait(60) == status
    end = time.monotonic() + 20
    while not all(map(_gone, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert all(map(_gone, workers))
    process.communicate()


def test_a_killed_worker_is_said_in_one_line(tmp_path):
    process = _start(tmp_path, "die")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "a worker process was killed" in errors.splitlines()[-1]
    assert "use fewer --workers" in errors.splitlines()[-1]


def _square(number):
    return number * number


def test_results_come_with_the_position_of_their_item():
    with joblib.parallel_config(backend="threading"):
        assert dict(map_in_workers(_square, [5, 3, 4], 2)) == {0: 25, 1: 9, 2: 16}
    assert list(map_in_workers(_square, [5], 1)) == [(0, 25)]
    assert list(map_in_workers(_square, [], 2)) == []


def _fail(number):
    raise ValueError(f"item {number} is bad")


def test_an_error_of_the_function_comes_through():
    with (
        joblib.parallel_config(backend="threading"),
        pytest.raises(ValueError, match="item 7 is bad"),
    ):
        list(map_in_workers(_fail, [7], 2))
