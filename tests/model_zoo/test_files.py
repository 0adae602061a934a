"""The files of the zoo: that they are whole, and what is said of those that are not."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from detectron2.utils.file_io import PathManager

from agn_d2 import model_zoo
from agn_d2.model_zoo import files, path_handler

LARGEST = 12_000_000


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A zoo of one model, whose weights are the bytes b"weights"."""
    folder = tmp_path / "small_one"
    folder.mkdir()
    (folder / "config.yaml").write_text("VERSION: 2\n")
    (folder / "model.safetensors").write_bytes(b"weights")
    checksum = hashlib.sha256(b"weights").hexdigest()
    (tmp_path / "SHA256SUMS").write_text(f"{checksum}  small_one/model.safetensors\n")
    monkeypatch.setattr(files, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", model_zoo.list_models())
def test_shipped_files_are_whole_and_small(name):
    weights = Path(model_zoo.get_checkpoint_file(name))
    assert weights.stat().st_size <= LARGEST
    assert "_BASE_" not in Path(model_zoo.get_config_file(name)).read_text()
    card = Path(model_zoo.get_model_card_file(name)).read_text(encoding="utf-8")
    assert card.startswith(f"# {name}\n")
    for heading in ("Not for", "Data and license", "Recipe", "Figures"):
        assert f"\n## {heading}" in card, heading


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_for_windows_leaves_the_files_as_they_are(tmp_path):
    """It turns line ends into CRLF unless it is told not to, and no checksum would hold."""
    root = Path(__file__).resolve().parents[2]
    shutil.copy(root / ".gitattributes", tmp_path)
    (relation,) = files.ROOT.glob("*/relation.json")
    shutil.copy(relation, tmp_path)

    def git(*arguments):
        command = ["git", "-c", "core.autocrlf=true", *arguments]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    git("init")
    git("add", ".")
    (tmp_path / "relation.json").unlink()
    git("checkout", "--", "relation.json")
    assert (tmp_path / "relation.json").read_bytes() == relation.read_bytes()


def test_index_and_folders_name_the_same_models():
    folders = {path.parent.name for path in files.ROOT.glob("*/config.yaml")}
    assert folders == set(model_zoo.list_models()) != set()
    assert len(folders) <= 3


def test_a_model_is_its_folder_and_a_line(zoo):
    assert model_zoo.list_models() == ["small_one"]
    assert model_zoo.get_checkpoint_file("small_one") == str(zoo / "small_one/model.safetensors")
    assert model_zoo.get_checkpoint_url("small_one") == "zoo://small_one"
    for url, file in {
        "zoo://small_one": "model.safetensors",
        "zoo://small_one/model.safetensors": "model.safetensors",
        "zoo://small_one/config.yaml": "config.yaml",
    }.items():
        assert PathManager.get_local_path(url) == str(zoo / "small_one" / file)
        assert PathManager.isfile(url) and PathManager.exists(url)
    with PathManager.open("zoo://small_one/config.yaml") as file:
        assert file.read() == "VERSION: 2\n"


def test_a_changed_weight_file_is_refused(zoo):
    (zoo / "small_one/model.safetensors").write_bytes(b"weightz")
    for find in (
        lambda: model_zoo.get_checkpoint_file("small_one"),
        lambda: PathManager.get_local_path("zoo://small_one"),
        lambda: PathManager.open("zoo://small_one", "rb"),
    ):
        with pytest.raises(
            ValueError, match=r"small_one/model\.safetensors: SHA-256 is .* damaged"
        ):
            find()


def test_a_model_that_rescores_shares_the_weights_of_its_detector(zoo):
    folder = zoo / "rescored"
    folder.mkdir()
    (folder / "config.yaml").write_text('MODEL:\n  WEIGHTS: "zoo://small_one"\n')
    (folder / "relation.json").write_bytes(b"relation")
    checksum = hashlib.sha256(b"relation").hexdigest()
    with (zoo / "SHA256SUMS").open("a") as file:
        file.write(f"{checksum}  rescored/relation.json\n")
    assert model_zoo.list_models() == ["rescored", "small_one"]
    assert model_zoo.get_checkpoint_url("rescored") == "zoo://small_one"
    assert model_zoo.get_checkpoint_file("rescored") == str(zoo / "small_one/model.safetensors")
    assert PathManager.get_local_path("zoo://rescored/relation.json") == str(
        folder / "relation.json"
    )
    with pytest.raises(ValueError, match=r"small_one has no relation\.json"):
        PathManager.get_local_path("zoo://small_one/relation.json")
    (folder / "relation.json").write_bytes(b"relatiom")
    with pytest.raises(ValueError, match=r"rescored/relation\.json: SHA-256 is .* damaged"):
        PathManager.get_local_path("zoo://rescored/relation.json")


def test_what_is_not_there_is_named(zoo):
    (zoo / "small_one/model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="small_one/model.safetensors: no such file"):
        model_zoo.get_checkpoint_file("small_one")
    assert not PathManager.isfile("zoo://small_one")
    with pytest.raises(FileNotFoundError, match="model_card.md: no such file"):
        model_zoo.get_model_card_file("small_one")


@pytest.mark.parametrize(
    "find",
    [
        model_zoo.get_config_file,
        model_zoo.get_checkpoint_file,
        model_zoo.get_checkpoint_url,
        lambda name: PathManager.get_local_path(f"zoo://{name}"),
        lambda name: PathManager.get_local_path(f"zoo://{name}/secret.txt"),
    ],
)
@pytest.mark.parametrize("name", ["other", "", "..", "small_one.yaml"])
def test_unknown_names_are_refused_and_the_known_listed(zoo, find, name):
    with pytest.raises(ValueError, match=r"no model '.*' in the model zoo; there are small_one"):
        find(name)


def test_other_files_and_writing_are_refused(zoo):
    with pytest.raises(ValueError, match="a model has the files config.yaml, model.safetensors"):
        PathManager.get_local_path("zoo://small_one/../SHA256SUMS")
    with pytest.raises(ValueError, match="can be read only, not 'w'"):
        PathManager.open("zoo://small_one/config.yaml", "w")


def test_registered_twice_is_registered_once(zoo):
    path_handler.register_path_handler()
    assert PathManager.isfile("zoo://small_one")
