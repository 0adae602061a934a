"""What the programs set up before PyTorch is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agn_d2.utils import startup

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_settings_of_the_user(monkeypatch):
    for name in (*startup.WAIT_POLICIES, "PYTHONWARNINGS"):
        monkeypatch.setenv(name, "")  # so that it is restored, whatever the test does
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "program", ["tools/train_net.py", "datasets/make_phantom.py", "projects/DETR/train_net.py"]
)
def test_threads_of_the_programs_wait_passively(monkeypatch, program):
    monkeypatch.setattr(sys, "argv", [str(ROOT / program)])
    monkeypatch.setattr(startup.signal, "signal", lambda *_: None)
    startup.set_up_program()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"])
def test_a_setting_of_the_user_wins(monkeypatch, name):
    monkeypatch.setenv(name, "ACTIVE")
    startup.wait_passively()
    assert {n: os.environ[n] for n in startup.WAIT_POLICIES if n in os.environ} == {name: "ACTIVE"}


def test_another_program_that_imports_the_package_is_left_alone(monkeypatch, tmp_path):
    for folder in ("tools", "projects", "projects/DETR"):
        monkeypatch.setattr(sys, "argv", [str(tmp_path / folder / "own.py")])
        startup.set_up_program()
    assert "OMP_WAIT_POLICY" not in os.environ


def test_openmp_reads_it_when_pytorch_is_imported():
    """libgomp prints what it has read, as it is loaded."""
    code = f"import sys; sys.argv = [{str(ROOT / 'tools/train_net.py')!r}]; import agn_d2"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | {"OMP_DISPLAY_ENV": "TRUE", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr


def test_a_detector_warns_of_nothing_that_its_user_cannot_mend():
    program = """
import warnings
import agn_d2
import torch
from detectron2.utils.tracing import is_fx_tracing
is_fx_tracing()
torch.meshgrid(torch.arange(2), torch.arange(3))
warnings.warn("torch.other: something else")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/"
    )
    assert "something else" in done.stderr
    assert "meshgrid" not in done.stderr and "is_fx_tracing" not in done.stderr


@pytest.mark.parametrize("given", [None, "error::DeprecationWarning"])
def test_trackers_of_resources_are_quiet_and_nothing_else_is(monkeypatch, given):
    if given:
        monkeypatch.setenv("PYTHONWARNINGS", given)
    monkeypatch.setattr(sys, "argv", [str(ROOT / "datasets/make_phantom.py")])
    monkeypatch.setattr(startup.signal, "signal", lambda *_: None)
    startup.set_up_program()
    warn = "import warnings; warnings.warn('resource_tracker: gone'); warnings.warn('heard')"
    done = subprocess.run([sys.executable, "-c", warn], capture_output=True, text=True, check=True)
    assert "resource_tracker" not in done.stderr.replace(warn, "")
    assert "UserWarning: heard" in done.stderr
    if given:
        code = [sys.executable, "-c", "import warnings; warnings.warn('old', DeprecationWarning)"]
        assert subprocess.run(code, capture_output=True, check=False).returncode == 1
