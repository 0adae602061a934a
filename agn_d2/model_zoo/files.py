"""Where the files of a model are, and whether its weights are whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

import yaml

PREFIX = "zoo://"
CONFIG, WEIGHTS, CARD = "config.yaml", "model.safetensors", "model_card.md"
# Of a model that re-scores the detections of another one, whose weights it shares.
RELATION = "relation.json"

# Both are given to ``shasum -c`` or ``sha256sum -c`` as they are.
ROOT = Path(__file__).resolve().parent
INDEX = "SHA256SUMS"


def list_models() -> list[str]:
    """The names of all models, sorted."""
    return sorted({path.partition("/")[0] for path in _checksums()})


def get_config_file(name: str) -> str:
    """The path of a model's config.

    Raises:
        ValueError: no model of this name.
        FileNotFoundError: the installed package lacks the file.
    """
    return _file(name, CONFIG)


def get_model_card_file(name: str) -> str:
    """The path of a model's card: data, license, recipe, figures, what it is not for.

    Raises:
        ValueError: no model of this name.
        FileNotFoundError: the installed package lacks the file.
    """
    return _file(name, CARD)


def get_checkpoint_url(name: str) -> str:
    """What ``MODEL.WEIGHTS`` takes for a model's weights, on whichever machine: ``zoo://NAME``.

    A model without weights of its own has those that its config names, of another model.

    Raises:
        ValueError: no model of this name.
    """
    _check_name(name)
    if f"{name}/{WEIGHTS}" in _checksums():
        return PREFIX + name
    config = yaml.safe_load(Path(get_config_file(name)).read_text(encoding="utf-8"))
    return config["MODEL"]["WEIGHTS"]


def get_checkpoint_file(name: str) -> str:
    """The path of a model's weights, whose checksum has been verified.

    Raises:
        ValueError: no model of this name, or its file is not the one that was published.
        FileNotFoundError: the installed package lacks the file.
    """
    owner = get_checkpoint_url(name).removeprefix(PREFIX)
    return _verified(owner, WEIGHTS)


def get_relation_file(name: str) -> str:
    """The path of the relation by which a model re-scores detections, checksum verified.

    Raises:
        ValueError: no model of this name, it has none, or its file is not the published one.
        FileNotFoundError: the installed package lacks the file.
    """
    _check_name(name)
    if f"{name}/{RELATION}" not in _checksums():
        raise ValueError(f"the model {name} has no {RELATION}: it is a detector alone")
    return _verified(name, RELATION)


def local_file(url: str) -> str:
    """The file that ``zoo://NAME`` (the weights, verified) or ``zoo://NAME/FILE`` stands for.

    Raises:
        ValueError, FileNotFoundError: as from the functions above, or no such file of a model.
    """
    name, _, file = url.removeprefix(PREFIX).partition("/")
    if file in ("", WEIGHTS):
        return get_checkpoint_file(name)
    if file == RELATION:
        return get_relation_file(name)
    if file not in (CONFIG, CARD):
        _check_name(name)
        raise ValueError(f"{url}: a model has the files {CONFIG}, {WEIGHTS} and {CARD}")
    return _file(name, file)


def _file(name: str, file: str) -> str:
    _check_name(name)
    path = ROOT / name / file
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; install agn_d2 anew")
    return str(path)


def _check_name(name: str) -> None:
    if name not in list_models():
        raise ValueError(
            f"no model {name!r} in the model zoo; there are {', '.join(list_models())}"
        )


def _verified(name: str, file: str) -> str:
    """The path of a file whose checksum is that of the index."""
    path = _file(name, file)
    found = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    expected = _checksums()[f"{name}/{file}"]
    if found != expected:
        raise ValueError(
            f"{path}: SHA-256 is {found}, expected {expected} ({INDEX}): the file is damaged or "
            "was changed; fetch it again (git checkout, or install agn_d2 anew)"
        )
    return path


def _checksums() -> dict[str, str]:
    """``<name>/<file>`` -> SHA-256, out of lines ``<sum>  <name>/<file>``."""
    lines = (ROOT / INDEX).read_text(encoding="ascii").splitlines()
    return {path: checksum for checksum, path in (line.split() for line in lines)}
