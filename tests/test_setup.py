"""What setup.py asks for, what requirements/ pins and what setup_env.sh makes of it agree."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


def _setup_constant(name):
    """The value of a module-level constant of setup.py, which cannot be imported."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"setup.py has no {name}")


def _pins(python, *stems):
    """{canonical name: version} that requirements/<stem>.txt gives to a version of Python."""
    environment = {**default_environment(), "python_version": python}
    pins = {}
    for stem in stems:
        for line in (ROOT / "requirements" / f"{stem}.txt").read_text("utf-8").splitlines():
            text = line.partition("#")[0].strip()
            if not text:
                continue
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate(environment):
                continue
            (specifier,) = requirement.specifier
            assert specifier.operator == "==", text
            name = canonicalize_name(requirement.name)
            assert name not in pins, f"{text}: pinned twice for Python {python}"
            pins[name] = specifier.version
    return pins


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("constant", "extra", "stems"),
    [
        ("INSTALL_REQUIRES", None, ("torch", "base")),
        ("EXTRAS_REQUIRE", "timm", ("timm",)),
        ("EXTRAS_REQUIRE", "detr", ("detr",)),
        ("EXTRAS_REQUIRE", "dev", ("dev",)),
    ],
)
def test_lower_bounds_and_pins_name_the_same_packages(python, constant, extra, stems):
    value = _setup_constant(constant)
    asked = [Requirement(text) for text in (value if extra is None else value[extra])]
    pins = _pins(python, *stems)
    assert {canonicalize_name(r.name) for r in asked} == set(pins)
    for requirement in asked:
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_no_upper_bound_replaces_what_a_detectron2_user_has():
    extras = [text for texts in _setup_constant("EXTRAS_REQUIRE").values() for text in texts]
    for text in _setup_constant("INSTALL_REQUIRES") + extras:
        assert {specifier.operator for specifier in Requirement(text).specifier} == {">="}, text


@pytest.mark.parametrize("python", PYTHONS)
def test_no_package_is_pinned_by_two_files(python):
    stems = ["build", "torch", "base", "detectron2-deps", "timm", "detr", "dev", "constraints"]
    files = {path.stem for path in (ROOT / "requirements").glob("*.txt")}
    assert files == {*stems, "yolo", "detectron2"}
    assert _pins(python, *stems, "yolo")["setuptools"] in SpecifierSet("<81")


# Stands in for Python and pip: writes down what it is asked, and knows no module but those named.
STUB = """#!/bin/sh
echo "$*" >> "$STUB_LOG"
case "$*" in
    "-m venv "*) mkdir -p "$3/bin" "$3/site" && cp "$0" "$3/bin/python" ;;
    *sys.exit*) ;;
    *purelib*) echo "${0%/bin/python}/site" ;;
    "-c import torch, torchvision") exit 1 ;;
    "-c import "*) case " $STUB_HAS " in *" ${2#import } "*) ;; *) exit 1 ;; esac ;;
    "-m pip install "*torch*) exit ${STUB_FAILS:-0} ;;
    "-m pip install "*--target*)
        while [ "$1" != --target ]; do shift; done
        mkdir -p "$2/detectron2" "$2/sal_detectron2-1.dist-info" "$2/tools" ;;
    "-m pip list"*) echo "numpy==1.26.0"; echo "setuptools==60.0" ;;
esac
"""


class Checkout:
    """A copy of what the set-up reads, and a Python that only writes down what it is asked."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "tools").mkdir()
        shutil.copy(ROOT / "tools" / "setup_env.sh", folder / "tools")
        shutil.copy(ROOT / "setup.py", folder)
        shutil.copytree(ROOT / "requirements", folder / "requirements")
        self.python, self.log = folder / "stub-python", folder / "log"
        self.python.write_text(STUB, encoding="utf-8")
        self.python.chmod(0o755)

    def set_up(self, venv=".venv", **variables):
        """Exit status, error output, and the commands of this run."""
        self.log.write_text("", encoding="utf-8")
        names = {"PYTHON": str(self.python), "STUB_LOG": str(self.log), "STUB_HAS": ""}
        command = [str(self.folder / "tools" / "setup_env.sh"), venv]
        done = subprocess.run(
            command, env=os.environ | names | variables, capture_output=True, text=True
        )
        return done.returncode, done.stderr, self.log.read_text("utf-8")


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


def test_a_new_environment_gets_the_pins_and_detectron2_without_its_tools(checkout):
    status, _, commands = checkout.set_up()
    assert status == 0
    for stem in ("build", "torch", "base", "detectron2-deps", "timm", "detr", "dev"):
        assert f"-r requirements/{stem}.txt" in commands
    assert "-c requirements/constraints.txt" in commands
    site = checkout.folder / ".venv" / "site"
    assert sorted(p.name for p in site.iterdir()) == ["detectron2", "sal_detectron2-1.dist-info"]
    assert not (checkout.folder / ".venv" / "agn_d2-stage").exists()


def test_a_complete_environment_costs_nothing_until_something_changes(checkout):
    checkout.set_up()
    assert checkout.set_up() == (0, "", "")
    with (checkout.folder / "requirements" / "base.txt").open("a", encoding="utf-8") as file:
        file.write("more==1.0\n")
    assert "-m venv" in checkout.set_up()[2]


def test_a_set_up_that_was_interrupted_begins_anew(checkout):
    assert checkout.set_up(STUB_FAILS="1")[0] != 0
    half = checkout.folder / ".venv" / "site" / "half-installed"
    half.mkdir()
    status, _, commands = checkout.set_up()
    assert status == 0 and "-m venv" in commands and not half.exists()


def test_an_environment_that_is_there_keeps_what_it_has(checkout):
    own = checkout.folder / "own"
    (own / "bin").mkdir(parents=True)
    (own / "site").mkdir()
    shutil.copy(checkout.python, own / "bin" / "python")
    status, _, commands = checkout.set_up("own", STUB_HAS="pkg_resources detectron2 agn_d2 cv2")
    assert status == 0
    (install,) = [line for line in commands.splitlines() if line.startswith("-m pip install")]
    names, _, limits = install.partition(" -c ")
    assert {"torch", "numpy", "timm", "pytest"} < set(names.split())
    # No version is asked for; OpenCV is there by another name; a Detectron2 that is there has all.
    assert "==" not in names and "opencv" not in names and "yacs" not in names
    kept = Path(limits).read_text("utf-8").split()
    assert kept == ["numpy==1.26.0", "setuptools<81"]
    status, _, commands = checkout.set_up("own", STUB_HAS="torch")
    assert status == 0 and commands == ""
    (own / "agn_d2-ready").unlink()
    assert "yacs" in checkout.set_up("own")[2]
    assert (own / "site" / "detectron2").is_dir()


@pytest.mark.parametrize("kind", ["a file", "a folder of something else"])
def test_never_sets_up_over_something_else(checkout, kind):
    place = checkout.folder / "place"
    if kind == "a file":
        place.write_text("x", encoding="utf-8")
    else:
        place.mkdir()
        (place / "thesis.tex").write_text("x", encoding="utf-8")
    status, error, commands = checkout.set_up("place")
    assert (status, commands) == (2, "") and "place is no Python environment: remove it" in error
    assert place.exists()


def test_an_old_python_is_refused(checkout):
    checkout.python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    status, error, _ = checkout.set_up()
    assert status == 2 and "is no Python 3.10 or newer; name another: make PYTHON=" in error
    assert not (checkout.folder / ".venv").exists()


def test_the_package_takes_the_model_zoo_along(tmp_path):
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    zoo = ROOT / "agn_d2" / "model_zoo"
    index = (zoo / "SHA256SUMS").read_text("ascii")
    files = {line.split()[1] for line in index.splitlines()}
    assert files
    of_each = {
        f"{path.partition('/')[0]}/{name}"
        for path in files
        for name in ("config.yaml", "model_card.md")
    }
    expected = {"SHA256SUMS"} | files | of_each
    for file in expected:
        built = tmp_path / "agn_d2" / "model_zoo" / file
        assert built.read_bytes() == (zoo / file).read_bytes()
