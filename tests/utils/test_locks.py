"""Locks between processes. That a kill leaves none: tests/engine/test_output_folder.py."""

import json
import subprocess
import sys
import threading
import time

from agn_d2.utils import locks
from agn_d2.utils.locks import lock_file, locked

# Holds a lock until its input ends.
HOLDER = """
import runpy, sys
from pathlib import Path
with runpy.run_path(sys.argv[1])["locked"](Path(sys.argv[2])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_told_who_has_the_lock_or_waits(tmp_path):
    path = tmp_path / "new/lock"
    command = [sys.executable, "-c", HOLDER, locks.__file__, str(path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "locked\n"
    file, owner = lock_file(path)
    assert file is None and json.loads(owner)["process"] == holder.pid
    threading.Timer(0.3, holder.stdin.close).start()
    start = time.monotonic()
    with locked(path):
        assert time.monotonic() - start > 0.2
        assert holder.wait(10) == 0
    holder.stdout.close()
