"""Programs of the repository as modules, for tests that run them in their own process."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]


def load_program(path: str | Path) -> ModuleType:
    """A program, loaded anew: what a test changes in it does not reach another test.

    Args:
        path: of the file, relative to the repository.
    """
    path = ROOT / path
    spec = importlib.util.spec_from_file_location(f"{path.stem}_program", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
