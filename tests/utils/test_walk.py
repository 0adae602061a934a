"""Files below a folder: links, loops, folders that cannot be listed."""

import errno
import os

import pytest

from agn_d2.utils.walk import files_below


@pytest.fixture
def tree(tmp_path):
    for name in ("root/a/1", "root/b c/ü", "elsewhere/2", "root/a/._1"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "a" / "loop").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "dangling").symlink_to(tmp_path / "nowhere")
    return tmp_path / "root"


def names(root, **options):
    return sorted(str(path.relative_to(root)) for path in files_below(root, **options))


def test_links_are_followed_and_loops_end(tree):
    assert names(tree) == ["a/1", "b c/ü", "dangling", "link/2"]


def test_a_folder_is_passed_over_by_whatever_name(tree):
    assert names(tree, skip=tree / "a") == ["b c/ü", "dangling", "link/2"]
    assert names(tree, skip=tree.parent / "elsewhere") == ["a/1", "b c/ü", "dangling"]
    # Neither where it all begins, nor what is not there.
    assert len(names(tree, skip=tree)) == len(names(tree, skip=tree / "none")) == 4


def test_a_folder_that_cannot_be_listed_is_told(tree, monkeypatch):
    real = os.scandir

    def scandir(path):
        if str(path).endswith("b c"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    errors = []
    assert names(tree, on_error=errors.append) == ["a/1", "dangling", "link/2"]
    assert [error.filename for error in errors] == [str(tree / "b c")]
    with pytest.raises(PermissionError):
        names(tree)
