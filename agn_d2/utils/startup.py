"""What is set up before anything heavy is imported.

Imported first of all by the package, so it takes the standard library only.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

FOLDERS = ("tools", "datasets")
PROJECTS = "projects"
WAIT_POLICIES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
TRACKER_FILTER = "ignore:resource_tracker:UserWarning"
INTERRUPTED = 128 + signal.SIGINT


def is_own_program() -> bool:
    """Whether this process runs a script of ours, or is a worker of one.

    Ours are those of ``tools/``, ``datasets/`` and the projects.
    """
    if not sys.argv or not sys.argv[0]:
        return False
    folder = Path(sys.argv[0]).resolve().parent
    root = folder.parent.parent if folder.parent.name == PROJECTS else folder.parent
    ours = folder.name in FOLDERS or folder.parent.name == PROJECTS
    return ours and (root / "agn_d2" / "__init__.py").is_file()


def set_up_program() -> None:
    """Set up what programs of ours need before the imports, which take seconds; others nothing.

    Threads wait passively, and trackers of resources are quiet. An interruption during the imports
    ends the program in one line; ``command_line_tool`` takes over once they are done. A process
    that ignores interruptions (``nohup``) goes on doing so.
    """
    if not is_own_program() or threading.current_thread() is not threading.main_thread():
        return
    wait_passively()
    silence_resource_tracker()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, leave_at_once)


def silence_detectron2() -> None:
    """Leave out two warnings of PyTorch about Detectron2's own code, which a user cannot mend.

    They come with the first image of every model: ``torch.meshgrid`` of the anchors, and
    ``is_fx_tracing`` of the poolers.
    """
    warnings.filterwarnings("ignore", r"torch\.meshgrid: in an upcoming release", UserWarning)
    tracing = logging.getLogger("torch.fx._symbolic_trace")
    tracing.addFilter(lambda record: "is_fx_tracing" not in record.getMessage())


def wait_passively() -> None:
    """Have OpenMP threads that wait for each other sleep; a setting of the user's own stays.

    Waiting actively they hold the core that another process needs to get the work done that they
    wait for: beside one busy process a training step takes several times as long. Read when
    PyTorch loads OpenMP, and handed on to worker processes.
    """
    if not any(name in os.environ for name in WAIT_POLICIES):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def silence_resource_tracker() -> None:
    """Have no process that is started from here on warn of what it cleans up for another.

    joblib's and Python's trackers of semaphores and folders may warn, behind the last line of a
    program that was interrupted, that what they were to remove is gone already.
    """
    given = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (given, TRACKER_FILTER)))


def leave_at_once(number: int, frame: Any) -> None:
    """End the process, with one line unless it is a worker: there is nothing to clean up yet."""
    if multiprocessing.current_process().name == "MainProcess":
        os.write(2, f"{Path(sys.argv[0]).stem}: interrupted\n".encode())
    os._exit(INTERRUPTED)
