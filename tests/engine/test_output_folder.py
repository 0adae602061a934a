"""One training in a folder at a time; an earlier one is put aside."""

import os
import signal
import subprocess
import sys

import pytest

from agn_d2.engine.output_folder import LOCK, output_lock, set_aside

# Takes the lock, starts a process that outlives it as a loader's may, says so, and waits.
HOLDER = """
import os, sys, time
from agn_d2.engine.output_folder import output_lock
with output_lock(sys.argv[1]):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    print("locked", flush=True)
    sys.stdin.read()
"""


def holder(folder):
    command = [sys.executable, "-W", "ignore", "-c", HOLDER, str(folder)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "locked\n"
    return process


def test_a_second_training_is_refused_and_a_kill_leaves_no_lock(tmp_path):
    folder = tmp_path / "new/out"
    process = holder(folder)
    try:
        with (
            pytest.raises(ValueError, match="in use by another training") as caught,
            output_lock(folder),
        ):
            pytest.fail("two at a time")
        assert f'"process": {process.pid}' in str(caught.value)
        assert str(folder) in str(caught.value)
        (folder / ".model_0000001.pth.12.part").write_bytes(b"half")
        process.kill()
        process.wait()
        # Its child lives on, and has no part in the lock.
        with output_lock(folder):
            assert str(os.getpid()) in (folder / LOCK).read_text()
            assert not list(folder.glob("*.part"))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_process_may_take_its_own_lock_again_and_gives_it_back_once(tmp_path):
    with output_lock(tmp_path):
        with output_lock(f"{tmp_path}/."):
            pass
        script = HOLDER.replace("sys.stdin.read()", "")
        other = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, str(tmp_path)],
            capture_output=True,
            text=True,
        )
        assert "in use by another training" in other.stderr
    process = holder(tmp_path)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_without_locks_on_the_file_system_it_says_so_and_goes_on(tmp_path, monkeypatch, caplog):
    def lockf(file, flags):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.lockf", lockf)
    with output_lock(tmp_path):
        assert "no locks on this file system (Function not implemented)" in caplog.text


def test_an_earlier_training_is_renamed_and_nothing_is_lost(tmp_path, caplog):
    assert set_aside(tmp_path) == []
    for number in (1, 2):
        (tmp_path / "metrics.json").write_text(f"lines {number}")
        (tmp_path / "last_checkpoint").write_text(f"model_{number}.pth")
        (tmp_path / "model_1.pth").touch()
        moved = [path.name for path in set_aside(tmp_path)]
        assert moved == [f"metrics.json.{number}", f"last_checkpoint.{number}"]
    assert (tmp_path / "metrics.json.1").read_text() == "lines 1"
    assert (tmp_path / "metrics.json.2").read_text() == "lines 2"
    assert not (tmp_path / "metrics.json").exists()
    assert (tmp_path / "model_1.pth").exists()
    assert "not resumed" in caplog.text
