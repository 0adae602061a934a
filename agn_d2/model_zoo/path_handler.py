"""``zoo://`` as a path that Detectron2 opens, as ``detectron2://`` is."""

from __future__ import annotations

from typing import IO, Any

from detectron2.utils.file_io import PathHandler, PathManager

from .files import PREFIX, local_file


class ZooHandler(PathHandler):
    """Files of the model zoo; they can be read only."""

    def _get_supported_prefixes(self) -> list[str]:
        return [PREFIX]

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        return local_file(path)

    def _isfile(self, path: str, **kwargs: Any) -> bool:
        try:
            local_file(path)
        except FileNotFoundError:
            return False
        return True

    def _exists(self, path: str, **kwargs: Any) -> bool:
        return self._isfile(path)

    def _open(self, path: str, mode: str = "r", buffering: int = -1, **kwargs: Any) -> IO[Any]:
        if set(mode) - set("rbt"):
            raise ValueError(f"{path}: the files of the model zoo can be read only, not {mode!r}")
        return open(local_file(path), mode, buffering)


def register_path_handler() -> None:
    """Make ``zoo://`` known to Detectron2's ``PathManager``; may be called again."""
    PathManager.register_handler(ZooHandler(), allow_override=True)
