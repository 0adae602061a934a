"""What setup.py asks for, what requirements/ pins and what setup_env.py makes of it agree."""

import ast
import importlib.util
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


@pytest.fixture
def setup_env(monkeypatch):
    """tools/setup_env.py as a module; its sibling is found the way `python tools/...` finds it."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    spec = importlib.util.spec_from_file_location("setup_env", ROOT / "tools" / "setup_env.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("python_environment", None)


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


@pytest.mark.parametrize(
    ("line", "name", "module", "at_most"),
    [
        ("tqdm==4.70.1", "tqdm", "tqdm", "tqdm<=4.70.1"),
        ("a-b==1.0", "a-b", "a_b", "a-b<=1.0"),
        (
            'pillow==13.0.0; python_version >= "3.11"  # import: PIL',
            "pillow",
            "PIL",
            'pillow<=13.0.0; python_version >= "3.11"',
        ),
    ],
)
def test_requirement_line(setup_env, line, name, module, at_most):
    requirement = sys.modules[setup_env.Environment.__module__].Requirement(line)
    assert (requirement.name, requirement.module) == (name, module)
    assert requirement.at_most() == at_most


def test_every_required_module_can_be_found_by_the_name_noted(setup_env):
    stems = ["build", "torch", "base", "timm", "detr", "dev"]
    for requirement in setup_env.read_requirements(*stems):
        assert importlib.util.find_spec(requirement.module), requirement.line


def test_half_installed_packages_are_removed(setup_env, tmp_path):
    for name, record in {
        "whole-1.dist-info": "whole.py,,\nwhole-1.dist-info/INSTALLER,,\n",
        "copied-1.dist-info": "copied.py,,\n",
        "begun-1.dist-info": None,
    }.items():
        (tmp_path / name).mkdir()
        if record is not None:
            (tmp_path / name / "RECORD").write_text(record, encoding="utf-8")
    (tmp_path / "~umpy").mkdir()
    env = setup_env.Environment(tmp_path / "env")
    env.site_packages = lambda: tmp_path
    setup_env.clear_halves(env)
    assert [path.name for path in tmp_path.iterdir()] == ["whole-1.dist-info"]


def test_a_component_that_was_interrupted_or_has_a_new_pin_is_installed_again(setup_env, tmp_path):
    env = setup_env.Environment(tmp_path)
    env.has = lambda *modules: True
    needed = []

    def ask():
        with setup_env.component(env, "torch", "torch") as answer:
            needed.append(answer)

    ask()  # was there before: kept, and nothing noted
    assert "torch" not in env.state
    env.note(torch="started")  # interrupted
    ask()
    ask()  # installed
    env.note(torch="digest of an older file")
    ask()
    assert needed == [False, True, False, True]


def test_a_failed_component_stays_begun(setup_env, tmp_path):
    env = setup_env.Environment(tmp_path)
    env.has = lambda *modules: False
    with pytest.raises(OSError), setup_env.component(env, "torch", "torch"):
        raise OSError("disk full")
    assert setup_env.Environment(tmp_path).state["torch"] == "started"


@pytest.mark.parametrize("kind", ["a file", "a folder of something else"])
def test_never_sets_up_over_something_else(setup_env, tmp_path, kind):
    place = tmp_path / "place"
    if kind == "a file":
        place.write_text("x", encoding="utf-8")
    else:
        place.mkdir()
        (place / "thesis.tex").write_text("x", encoding="utf-8")
    with pytest.raises(setup_env.SetupError, match="no Python environment"):
        setup_env.make_environment(setup_env.Environment(place))
    assert place.exists()


def test_a_finished_environment_is_recognized_until_something_changes(setup_env, tmp_path):
    env = setup_env.Environment(tmp_path)
    env.python.parent.mkdir()
    env.python.touch()
    env.note(finished=env.digest())
    assert setup_env.Environment(tmp_path).is_finished()
    env.python.unlink()
    assert not setup_env.Environment(tmp_path).is_finished()
    other = setup_env.Environment(tmp_path / "elsewhere")
    assert other.digest() != env.digest()


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
