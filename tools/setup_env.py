"""Set up the Python environment in which `make` runs everything, Detectron2 included.

    python3 tools/setup_env.py [--venv .venv]

Runs before anything is installed, hence the standard library only. There are two kinds of
environment:

* one that this script makes gets the versions pinned in requirements/;
* one that it finds, or that borrows PyTorch from the Python that runs this script, keeps what it
  has: only what is missing is installed, at most at the pinned version.

Every step may be interrupted: the next run takes it up again. A finished environment is
recognized by a hash of all that it was built from, and costs no more than reading these files.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import shutil
import site
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# This import refuses a Python that is too old, before anything below needs a newer one.
from python_environment import (
    REQUIREMENTS,
    ROOT,
    Environment,
    SetupError,
    read_requirements,
    say,
)

# The wheel is tagged for Python 3.10: see requirements/detectron2.txt.
DETECTRON2_FLAGS = [
    *("--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version", "3.10"),
    *("--implementation", "cp", "--abi", "none", "--platform", "any"),
]
VERIFY = """
import cv2, detectron2, numpy, scipy, skimage, torch, torchvision
import detectron2.modeling, detectron2.model_zoo
device = "CUDA" if torch.cuda.is_available() else "CPU"
print(f"PyTorch {torch.__version__} ({device}), Detectron2 {detectron2.__version__}")
"""


def make_environment(env: Environment) -> None:
    """Make the virtual environment, unless there is one that works."""
    if not env.state.get("made") and _is_taken(env.folder):
        _check_found(env)
        say(f"using the environment {env.folder}: what it has stays")
        return
    if env.state.get("created") and env.python.exists():
        return
    _check_venv_modules()
    borrows = _imports_torch()
    version = sys.version.split()[0]
    say(f"creating {env.folder} with Python {version} ({sys.executable})")
    if borrows:
        say("this Python has PyTorch and torchvision: they are used from there")
    shutil.rmtree(env.folder, ignore_errors=True)
    env.folder.mkdir(parents=True)
    env.state = {}
    env.note(made=True, borrows=borrows)
    inside_venv = sys.prefix != sys.base_prefix
    flags = ["--system-site-packages"] if borrows and not inside_venv else []
    command = [sys.executable, "-m", "venv", *flags, str(env.folder)]
    if subprocess.run(command, cwd=env.folder, stdout=subprocess.DEVNULL).returncode:
        raise SetupError(f"{' '.join(command)} failed (see above)")
    if borrows and inside_venv:
        _borrow_from_venv(env)
    env.note(created=True)


def _is_taken(folder: Path) -> bool:
    return folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))


def _check_found(env: Environment) -> None:
    if not env.python.exists():
        raise SetupError(f"{env.folder} is no Python environment: remove it or name another")
    version = env.run("-c", "import sys; print(*sys.version_info[:2])", what="asking for version")
    if tuple(map(int, version.split())) < (3, 10):
        raise SetupError(f"{env.folder} has Python {version.replace(' ', '.')}, not 3.10 or newer")


def _check_venv_modules() -> None:
    for module in ("venv", "ensurepip"):
        try:
            __import__(module)
        except ImportError:
            raise SetupError(
                f"{sys.executable} lacks the module {module}, which makes environments. Install it "
                "(Debian, Ubuntu: the package python3-venv), or name another Python: "
                "make PYTHON=/path/to/python3 ..., or an environment: make VENV=/path/to/env ..."
            ) from None


def _imports_torch() -> bool:
    command = [sys.executable, "-c", "import torch, torchvision"]
    return subprocess.run(command, cwd=sys.prefix, capture_output=True).returncode == 0


def _borrow_from_venv(env: Environment) -> None:
    # --system-site-packages shows what lies below the running environment, not the environment.
    # addsitedir, not a bare path: it also follows the .pth files of editable installations.
    lines = [f"import site; site.addsitedir({folder!r})" for folder in site.getsitepackages()]
    target = env.site_packages() / "agn_d2-borrowed.pth"
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def clear_halves(env: Environment) -> None:
    """Remove what a killed pip left behind, so that pip does not take it for installed.

    pip lists its own mark, INSTALLER, in a package's RECORD as its very last act.
    """
    for info in env.site_packages().glob("*.dist-info"):
        record = info / "RECORD"
        if not record.is_file() or "/INSTALLER" not in record.read_text(encoding="utf-8"):
            say(f"{info.name} was left half installed: once more")
            shutil.rmtree(info)
    for stash in env.site_packages().glob("~*"):
        shutil.rmtree(stash, ignore_errors=True)


def install_packages(env: Environment, *stems: str) -> None:
    """Install requirements/<stem>.txt: the pins, or, in an environment that keeps, the gaps."""
    if not env.keeps:
        files = [flag for stem in stems for flag in ("-r", str(REQUIREMENTS / f"{stem}.txt"))]
        limits = ["-c", str(REQUIREMENTS / "constraints.txt")]
        env.pip("--no-build-isolation", *files, *limits)
        return
    wanted = read_requirements(*stems)
    found = env.probe(wanted)
    missing = [requirement for requirement in wanted if not found[requirement.name][0]]
    if not missing:
        return
    say(f"missing: {', '.join(sorted({requirement.name for requirement in missing}))}")
    stems = ("torch", "base", "detectron2-deps", "timm", "detr", "dev")
    everything = env.probe(read_requirements(*stems))
    kept = [f"{name}=={version}\n" for name, (there, version) in everything.items() if version]
    limits_file = env.folder / "agn_d2-kept.txt"
    # Nobody may bring along a setuptools without pkg_resources.
    tools = [f"{requirement.at_most()}\n" for requirement in read_requirements("build")]
    limits_file.write_text("".join(kept + tools), encoding="utf-8")
    gaps = [requirement.at_most() for requirement in missing]
    env.pip("--no-build-isolation", *gaps, "-c", str(limits_file))


def install_detectron2(env: Environment) -> None:
    """Install Detectron2 by way of a folder of its own, so that it appears at once or not at all.

    The wheel also holds a top-level package named `tools`, which stays behind.
    """
    stage = env.folder / "agn_d2-stage"
    shutil.rmtree(stage, ignore_errors=True)
    source = REQUIREMENTS / "detectron2.txt"
    env.pip(*DETECTRON2_FLAGS, "--target", str(stage), "-r", str(source))
    for part in [stage / "detectron2", *stage.glob("*.dist-info")]:
        target = env.site_packages() / part.name
        shutil.rmtree(target, ignore_errors=True)
        part.replace(target)
    shutil.rmtree(stage)


@contextlib.contextmanager
def component(env: Environment, name: str, *modules: str) -> Iterator[bool]:
    """Yield whether `name` is to be installed, and note when that begins and when it is done.

    It is if its modules are missing, if an earlier run was interrupted, or if this script
    installed it from a requirements file that has changed since.
    """
    digest = hashlib.sha256((REQUIREMENTS / f"{name}.txt").read_bytes()).hexdigest()
    needed = env.state.get(name, digest) != digest or not env.has(*modules)
    if needed:
        env.note(**{name: "started"})
    yield needed
    if needed:
        env.note(**{name: digest})


def install(env: Environment) -> None:
    """Install all that is missing, step by step."""
    make_environment(env)
    if env.state.get("made"):
        clear_halves(env)
    install_packages(env, "build")
    with component(env, "torch", "torch", "torchvision") as needed:
        if needed:
            say("installing PyTorch: some GB, which takes minutes")
            install_packages(env, "torch")
    with component(env, "detectron2", "detectron2") as needed:
        if not env.keeps:
            say("installing the other packages")
        # A Detectron2 that was there before has what it imports.
        deps = ["detectron2-deps"] if "detectron2" in env.state else []
        install_packages(env, "base", *deps, "timm", "detr", "dev")
        if needed:
            say("installing Detectron2")
            install_detectron2(env)
    if env.state.get("made") or not env.has("agn_d2"):
        say(f"installing agn_d2 from {ROOT} (editable)")
        env.pip("--no-deps", "--no-build-isolation", "-e", str(ROOT))
    say(f"ready: {env.run('-c', VERIFY, what='importing the packages')}")
    env.note(finished=env.digest())


@contextlib.contextmanager
def locked(env: Environment) -> Iterator[None]:
    """Let one set-up of this checkout run at a time."""
    env.lock_fd = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(env.lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("waiting for another set-up of this checkout to end")
            fcntl.flock(env.lock_fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(env.lock_fd)


def main() -> int:
    """Set up the environment named on the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="default: %(default)s")
    env = Environment(Path(os.path.abspath(parser.parse_args().venv)))
    if env.is_finished():
        return 0
    try:
        with locked(env):
            env.reload()
            if not env.is_finished():
                install(env)
    except SetupError as error:
        print(f"[setup] error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\n[setup] interrupted: the next run goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
