"""A virtual environment: what it holds, what is noted about it, and pip in it.

Used by setup_env.py alone; standard library only.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 10):  # noqa: UP036  (whoever has an older one shall be told)
    sys.exit(
        "[setup] error: Python 3.10 or newer is needed, {} is {}.{}.{}. Name another one: "
        "make PYTHON=/path/to/python3 ...".format(sys.executable, *sys.version_info[:3])
    )

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
STATE_NAME = "agn_d2-setup.json"

# Asked of the environment's own Python: is the module there, and at which version its package?
PROBE = """
import importlib.metadata as metadata, importlib.util, json, sys
answer = {}
for name, module in json.loads(sys.argv[1]):
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        version = None
    answer[name] = [importlib.util.find_spec(module) is not None, version]
print(json.dumps(answer))
"""


class SetupError(Exception):
    """What the person at the terminal has to be told; no traceback needed."""


def say(message: str) -> None:
    """Print one line of progress."""
    print(f"[setup] {message}", flush=True)


class Requirement:
    """One line of a requirements file: `name==version[; marker]  [# import: module]`."""

    def __init__(self, line: str) -> None:
        self.line, _, comment = (part.strip() for part in line.partition("#"))
        self.name = self.line.partition("==")[0]
        module = comment.partition("import:")[2].strip()
        self.module = module or self.name.replace("-", "_")

    def at_most(self) -> str:
        """The same requirement, with the pinned version as the newest that will do."""
        return self.line.replace("==", "<=", 1)


def read_requirements(*stems: str) -> list[Requirement]:
    """Read requirements/<stem>.txt of every stem given."""
    lines = [
        line
        for stem in stems
        for line in (REQUIREMENTS / f"{stem}.txt").read_text(encoding="utf-8").splitlines()
    ]
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


class Environment:
    """A virtual environment and what is known about it.

    Its state, a small JSON file inside it, holds: `made`, whether setup_env.py made it;
    `created`, whether that came to its end; `borrows`, whether it takes PyTorch from the Python
    below it; `torch` and `detectron2`, if they were installed here: "started", or the digest of
    the requirements file; `finished`, the digest of a whole set-up.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.state_file = folder / STATE_NAME
        self.state: dict = {}
        self.lock_fd = -1
        self.reload()

    def reload(self) -> None:
        """Read the state file again; a missing or damaged one counts as none."""
        self.state = {}
        with contextlib.suppress(OSError, ValueError):
            self.state = json.loads(self.state_file.read_text(encoding="utf-8"))

    def note(self, **changes: object) -> None:
        """Change the state and write it, so that no reader ever sees half a file."""
        self.state.update(changes)
        draft = self.state_file.with_suffix(".tmp")
        draft.write_text(json.dumps(self.state, indent=1) + "\n", encoding="utf-8")
        draft.replace(self.state_file)

    @property
    def keeps(self) -> bool:
        """Whether packages that are already there stay as they are."""
        return not self.state.get("made") or bool(self.state.get("borrows"))

    def digest(self) -> str:
        """Hash of everything that a set-up depends on."""
        tools = sorted(Path(__file__).parent.glob("*env*.py"))
        parts = [*sorted(REQUIREMENTS.glob("*.txt")), ROOT / "setup.py", *tools]
        places = f"{ROOT}\n{self.folder}\n".encode()
        return hashlib.sha256(places + b"".join(part.read_bytes() for part in parts)).hexdigest()

    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.python.exists() and self.state.get("finished") == self.digest()

    def run(self, *args: str, what: str) -> str:
        """Run the environment's Python, away from the checkout, and return what it printed."""
        command = [str(self.python), *args]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            raise SetupError(f"{what} failed in {self.folder}:\n{done.stderr.strip()}")
        return done.stdout.strip()

    def pip(self, *args: str) -> None:
        """Run `pip install`; it inherits the lock, in case it outlives this process."""
        quiet = [] if sys.stdout.isatty() else ["-qq"]
        options = ["--no-input", "--disable-pip-version-check", "--no-warn-conflicts"]
        command = [str(self.python), "-m", "pip", "install", *quiet, *options, *args]
        variables = {**os.environ, "PIP_USER": "0"}
        done = subprocess.run(command, cwd=self.folder, env=variables, pass_fds=[self.lock_fd])
        if done.returncode:
            raise SetupError(
                f"pip could not install this (see above): {' '.join(args)}\n"
                "[setup] the next run goes on from here"
            )

    def probe(self, requirements: list[Requirement]) -> dict[str, tuple[bool, str | None]]:
        """For each requirement: is its module there, and the version of its package."""
        question = json.dumps([(r.name, r.module) for r in requirements])
        return json.loads(self.run("-c", PROBE, question, what="looking for packages"))

    def has(self, *modules: str) -> bool:
        """Whether all these top-level modules are there."""
        found = self.probe([Requirement(module) for module in modules])
        return all(there for there, _ in found.values())

    def site_packages(self) -> Path:
        """The folder that this environment installs into."""
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        return Path(self.run("-c", code, what="asking for site-packages"))
