"""How the programs end: one line and a status, whatever happens to them."""

from __future__ import annotations

import ast
import contextlib
import errno
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from agn_d2.utils.command_line import command_line_tool, end_workers

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted(
    {*ROOT.glob("tools/*.py"), *ROOT.glob("datasets/*.py"), *ROOT.glob("projects/*/*.py")}
)

# The modules without the package, whose import takes seconds.
LIGHT = f"""
import sys, types
package = types.ModuleType("agn_d2")
package.__path__ = [{str(ROOT / "agn_d2")!r}]
sys.modules["agn_d2"] = package
"""


def raising(error):
    @command_line_tool
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("a.json: no images;\n   add some"), "a.json: no images; add some"),
        (FileNotFoundError("No config file c.yaml"), "No config file c.yaml"),
        (FloatingPointError("loss is nan"), "loss is nan"),
        (ImportError("install timm"), "install timm"),
        (ValueError(), "ValueError"),
        (OSError(errno.ENOSPC, "x", "/a/b.json"), "/a/b.json: the disk is full; free some space"),
        (OSError(errno.EROFS, "x", "/a/b.json"), "/a/b.json: the file system is read-only"),
        (OSError(errno.EACCES, "x", "/a/b.json"), "/a/b.json: permission denied"),
        (OSError(errno.ENOTDIR, "x", "/a/b.json"), "/a/b.json: lies below a file"),
        (OSError(errno.EISDIR, "x", "/a/b"), "/a/b: is a folder where a file is expected"),
        (OSError(errno.ENOENT, "x", "/a/.b.1.part", None, "/a/b"), "/a/b: no such file or folder"),
        (OSError(errno.ENOSPC, "x"), "output: the disk is full"),
        (OSError(errno.EIO, "Input/output error", "/a/b"), "/a/b: Input/output error"),
    ],
)
def test_bad_input_is_one_line_and_status_2(capsys, error, line):
    assert raising(error)() == 2
    out = capsys.readouterr()
    assert out.err.startswith(f"test_command_line: {line}")
    assert out.err.count("\n") == 1
    assert out.out == ""


@pytest.mark.parametrize("fault", [TypeError("x"), AssertionError("x"), KeyError("x")])
def test_a_fault_of_the_program_keeps_its_traceback(fault):
    with pytest.raises(type(fault)):
        raising(fault)()


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (1, 1)])
def test_status_of_main_and_arguments(returned, status):
    seen = []

    @command_line_tool
    def main(argv=None):
        seen.append(argv)
        return returned

    assert main(["--a"]) == status
    assert seen == [["--a"]]


def test_interruption_ends_the_workers(capsys):
    worker = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))

    @command_line_tool
    def main():
        worker.start()
        raise KeyboardInterrupt

    assert main() == 130
    assert capsys.readouterr().err == "test_command_line: interrupted\n"
    assert not worker.is_alive()


# Starts workers, which leave their numbers in a folder, and waits.
WAITING = """
import multiprocessing, os, sys, time
from joblib import Parallel, delayed
from agn_d2.utils.command_line import command_line_tool

@command_line_tool
def main():
    if sys.argv[1] == "joblib":
        jobs = Parallel(n_jobs=2, return_as="generator_unordered", batch_size=1)(
            delayed(wait)(sys.argv[2]) for _ in range(20)
        )
        list(jobs)
    else:
        context = multiprocessing.get_context(sys.argv[1])
        workers = [context.Process(target=wait, args=(sys.argv[2],)) for _ in range(2)]
        [worker.start() for worker in workers]
        open(f"{sys.argv[2]}/{os.getpid()}", "w").close()
        [worker.join() for worker in workers]

def wait(folder):
    open(f"{folder}/{os.getpid()}", "w").close()
    time.sleep(60)

if __name__ == "__main__":
    sys.exit(main())
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for(condition, seconds: float = 30.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
@pytest.mark.parametrize("kind", ["spawn", "fork", "joblib"])
def test_a_signal_leaves_one_line_and_no_process(tmp_path, kind, number, status, said):
    program, started = tmp_path / "waiting.py", tmp_path / "started"
    program.write_text(LIGHT + WAITING)
    started.mkdir()
    running = subprocess.Popen(
        [sys.executable, program, kind, started], stdout=-1, stderr=-1, text=True
    )
    # Of two workers, and of the program once it has noted both of them.
    wait_for(lambda: len(list(started.iterdir())) >= (2 if kind == "joblib" else 3))
    workers = {int(path.name) for path in started.iterdir()} - {running.pid}
    running.send_signal(number)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err) == (status, "", f"waiting: {said}\n")
    wait_for(lambda: not any(map(alive, workers)), 2)


def test_a_worker_that_does_not_heed_is_killed(monkeypatch):
    heedless = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    code = f"{heedless}; print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()

        def join(seconds):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)

        # As those of joblib, which have no kill.
        worker = SimpleNamespace(
            pid=process.pid,
            terminate=process.terminate,
            join=join,
            is_alive=lambda: process.poll() is None,
        )
        monkeypatch.setattr("multiprocessing.active_children", lambda: [worker])
        monkeypatch.setattr("agn_d2.utils.command_line.PATIENCE", 0.2)
        end_workers()
        assert process.wait(10) == -signal.SIGKILL


def test_a_program_run_by_another_ends_its_own_workers(tmp_path):
    program, started = tmp_path / "waiting.py", tmp_path / "started"
    program.write_text(LIGHT + WAITING)
    started.mkdir()
    outer = tmp_path / "outer.py"
    outer.write_text(
        f"{LIGHT}\nfrom agn_d2.utils.command_line import command_line_tool, run_program\n"
        "@command_line_tool\ndef main():\n"
        f"    run_program([sys.executable, {str(program)!r}, 'fork', {str(started)!r}])\n"
        "sys.exit(main())\n"
    )
    running = subprocess.Popen([sys.executable, outer], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len(list(started.iterdir())) >= 3)
    workers = [int(path.name) for path in started.iterdir()]
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (130, "waiting: terminated\nouter: interrupted\n")
    assert not any(map(alive, workers))


def children_of(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("when", ["imports", "work"])
def test_a_program_of_ours_is_interrupted(tmp_path, when):
    out = tmp_path / "phantom"
    arguments = ["--out", out, "--cases", "500", "--size", "256", "--workers", "2"]
    running = subprocess.Popen(
        [sys.executable, ROOT / "datasets/make_phantom.py", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    workers = []
    if when == "imports":
        # The package is at it once the interpreter has loaded PyTorch's library.
        wait_for(lambda: "libtorch" in Path(f"/proc/{running.pid}/maps").read_text())
    else:
        wait_for(lambda: any(tmp_path.glob("phantom.partial/cases/*.json")), 60)
        workers = children_of(running.pid)
        assert len(workers) >= 2
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert err.splitlines()[-1] == "make_phantom: interrupted"
    assert "Traceback" not in err
    wait_for(lambda: not any(map(alive, workers)), 2)
    assert not out.exists()


def light_program(tmp_path, body):
    program = tmp_path / "program.py"
    program.write_text(
        f"{LIGHT}\nfrom agn_d2.utils.command_line import command_line_tool\n"
        f"@command_line_tool\ndef main():\n    {body}\nsys.exit(main())\n"
    )
    return [sys.executable, str(program)]


def test_a_reader_that_goes_is_no_error(tmp_path):
    command = light_program(tmp_path, "[print('x' * 1000) for _ in range(1000)]")
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    running.stdout.read(10)
    running.stdout.close()
    error = running.stderr.read()
    assert (running.wait(30), error) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_under_stdout(tmp_path):
    command = light_program(tmp_path, "print('result')")
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "program: output: the disk is full; free some space, or choose another place\n"
    )


@pytest.mark.parametrize(
    ("folder", "status", "said"), [("tools", 130, "slow: interrupted\n"), ("other", -2, None)]
)
def test_interruption_of_the_imports(tmp_path, folder, status, said):
    """Only the package's own programs, beside the package, are quiet: elsewhere Python decides."""
    for name in (folder, "agn_d2"):
        (tmp_path / name).mkdir()
    (tmp_path / "agn_d2" / "__init__.py").touch()
    program = tmp_path / folder / "slow.py"
    program.write_text(
        f"{LIGHT}\nfrom agn_d2.utils.startup import set_up_program\nset_up_program()\n"
        "print('importing', flush=True)\nimport time; time.sleep(60)\n"
    )
    running = subprocess.Popen([sys.executable, program], stdout=-1, stderr=-1, text=True)
    assert running.stdout.readline() == "importing\n"
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert running.returncode == status
    assert err == said if said else "KeyboardInterrupt" in err


def test_importing_the_package_warns_of_nothing_and_hides_nothing():
    code = "import agn_d2, torch; print('imported', flush=True); torch.jit.script(lambda x: x)"
    done = subprocess.run(
        [sys.executable, "-W", "default::FutureWarning", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "imported\n"
    # Ours is the only one.
    assert done.stderr.count("FutureWarning: `torch.jit.script` is deprecated") == 1


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_every_program_ends_in_this_way(path):
    tree = ast.parse(path.read_text())
    first = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)][1]
    assert (first.module, first.names[0].name) == (
        "agn_d2.utils.command_line",
        "command_line_tool",
    ), "the first import, so that all others can be interrupted"
    assert "sys.exit(" in ast.unparse(tree.body[-1])
    text = ast.unparse(tree)
    assert "@command_line_tool\ndef main(" in text or "command_line_tool(main)()" in text


@pytest.mark.parametrize("wanted", ["", "1"])
def test_a_traceback_of_bad_input_comes_on_request_alone(monkeypatch, capsys, wanted):
    logging.getLogger("agn_d2").setLevel(logging.DEBUG)
    monkeypatch.setenv("AGN_D2_TRACEBACK", wanted)

    @command_line_tool
    def main():
        raise ValueError("a bad row")

    assert main() == 2
    printed = "".join(capsys.readouterr())
    assert "a bad row" in printed
    assert ("Traceback" in printed) == bool(wanted)
