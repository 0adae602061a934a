"""Pictures of mammograms for the screen: when they are written again."""

import os

import cv2
import numpy as np
import pytest

from agn_d2.visualization.screen_pictures import picture_path, write_pictures

SIZE = (40, 30)


@pytest.fixture
def folders(tmp_path):
    """Two folders with another image of one name and size: the left, the right half is bright."""
    for name, half in (("first", np.s_[:, :15]), ("second", np.s_[:, 15:])):
        (tmp_path / name).mkdir()
        pixels = np.zeros(SIZE, np.uint8)
        pixels[half] = 200
        assert cv2.imwrite(str(tmp_path / name / "a.png"), pixels)
        os.utime(tmp_path / name / "a.png", (1e9, 1e9))
    return tmp_path


def write(folders, name):
    """Mean gray of the left and the right half of the picture, and when it was written."""
    output = folders / "page"
    assert write_pictures({"a.png": SIZE}, folders / name, output) == {}
    path = picture_path(output, "a.png")
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    return picture[:, :15].mean() > 200, picture[:, 15:].mean() > 200, path.stat().st_mtime_ns


def test_a_picture_of_another_folder_is_not_taken_for_up_to_date(folders):
    left, right, written = write(folders, "first")
    assert left and not right
    assert write(folders, "first")[2] == written
    left, right, _ = write(folders, "second")
    assert right and not left


def test_a_picture_of_an_older_version_is_not_taken_for_up_to_date(folders):
    """A release that is unpacked again has the times of its making."""
    assert write(folders, "first")[:2] == (True, False)
    (folders / "second" / "a.png").replace(folders / "first" / "a.png")
    os.utime(folders / "first" / "a.png", (9e8, 9e8))
    assert write(folders, "first")[:2] == (False, True)


def test_a_broken_picture_is_written_again(folders):
    """A power cut may leave an empty file; the page is not the poorer for it."""
    _, _, written = write(folders, "first")
    picture_path(folders / "page", "a.png").write_bytes(b"")
    left, right, again = write(folders, "first")
    assert left and not right
    assert again > written


def test_pictures_are_not_written_among_the_images(folders):
    (folders / "first").rename(folders / "images")
    with pytest.raises(ValueError, match="images.*would lie among the images"):
        write_pictures({"a.png": SIZE}, folders / "images", folders)
    assert [path.name for path in (folders / "images").iterdir()] == ["a.png"]
