"""Another process that holds the lock of a file."""

import subprocess
import sys
from pathlib import Path

from agn_d2.utils import locks

# The module by itself: all of agn_d2 would take seconds.
HOLDER = """
import runpy, sys
from pathlib import Path
held = runpy.run_path(sys.argv[1])["lock_file"](Path(sys.argv[2]))
print("locked", flush=True)
sys.stdin.read()
"""


def hold_lock(path: Path) -> subprocess.Popen:
    """Start the process, which has the lock when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, locks.__file__, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "locked\n"
    return process
