"""Where the files of a model are, and whether its weights are whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

PREFIX = "zoo://"
CONFIG, WEIGHTS, CARD = "config.yaml", "model.safetensors", "model_card.md"

# Both are given to ``shasum -c`` or ``sha256sum -c`` as they are.
ROOT = Path(__file__).resolve().parent
INDEX = "SHA256SUMS"


def list_models() -> list[str]:
    """The names of all models, sorted."""
    return sorted(_checksums())


def get_config_file(name: str) -> str:
    """The path of a model's config.

    Raises:
        ValueError: no model of this name.
        FileNotFoundError: the installed package lacks the file.
    """
    return _file(name, CONFIG)


def get_model_card_file(name: str) -> str:
    """The path of a model's card: data, licence, recipe, figures, what it is not for.

    Raises:
        ValueError: no model of this name.
        FileNotFoundError: the installed package lacks the file.
    """
    return _file(name, CARD)


def get_checkpoint_url(name: str) -> str:
    """What ``MODEL.WEIGHTS`` takes for a model's weights, on whichever machine: ``zoo://NAME``.

    Raises:
        ValueError: no model of this name.
    """
    _check_name(name)
    return PREFIX + name


def get_checkpoint_file(name: str) -> str:
    """The path of a model's weights, whose checksum has been verified.

    Raises:
        ValueError: no model of this name, or its file is not the one that was published.
        FileNotFoundError: the installed package lacks the file.
    """
    path = _file(name, WEIGHTS)
    found = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    expected = _checksums()[name]
    if found != expected:
        raise ValueError(
            f"{path}: SHA-256 is {found}, expected {expected} ({INDEX}): the file is damaged or "
            "was changed; fetch it again (git checkout, or install agn_d2 anew)"
        )
    return path


def local_file(url: str) -> str:
    """The file that ``zoo://NAME`` (the weights, verified) or ``zoo://NAME/FILE`` stands for.

    Raises:
        ValueError, FileNotFoundError: as from the functions above, or no such file of a model.
    """
    name, _, file = url.removeprefix(PREFIX).partition("/")
    if file in ("", WEIGHTS):
        return get_checkpoint_file(name)
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
    if name not in _checksums():
        raise ValueError(
            f"no model {name!r} in the model zoo; there are {', '.join(list_models())}"
        )


def _checksums() -> dict[str, str]:
    """Name -> SHA-256 of the weights, out of lines ``<sum>  <name>/model.safetensors``."""
    lines = (ROOT / INDEX).read_text(encoding="ascii").splitlines()
    pairs = (line.split() for line in lines)
    return {path.removesuffix(f"/{WEIGHTS}"): checksum for checksum, path in pairs}
