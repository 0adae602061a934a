import cv2
import pytest
from matplotlib.figure import Figure

from agn_d2.visualization.figure_files import check_figure_place, write_curves, write_figure


def figure():
    made = Figure(figsize=(2, 1))
    made.subplots().plot([0, 1], [1, 0], label="a line")
    return made


def test_png_of_the_size_that_dpi_says(tmp_path):
    write_figure(figure(), tmp_path / "new" / "a.png", dpi=50)
    assert cv2.imread(str(tmp_path / "new" / "a.png")).shape == (50, 100, 3)


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".PNG"])
def test_the_same_figure_gives_the_same_file(tmp_path, suffix):
    for name in "ab":
        write_figure(figure(), tmp_path / f"{name}{suffix}")
    content = (tmp_path / f"a{suffix}").read_bytes()
    assert content == (tmp_path / f"b{suffix}").read_bytes()
    if suffix == ".svg":
        assert b"<text" in content and b"<dc:date>" not in content


@pytest.mark.parametrize(("name", "written"), [("a.png", ["a.png", "a.svg"]), ("a.pdf", ["a.pdf"])])
def test_curves_get_an_svg_beside_a_png(tmp_path, name, written):
    assert [path.name for path in write_curves(figure(), tmp_path / name)] == written
    assert sorted(path.name for path in tmp_path.iterdir()) == written


@pytest.mark.parametrize("name", ["a.bmp", "a"])
def test_other_formats_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"must end in \.png, \.svg, \.pdf"):
        write_figure(figure(), tmp_path / "new" / name)
    assert not (tmp_path / "new").exists()


def test_a_figure_that_cannot_be_drawn_leaves_the_old_file(tmp_path, monkeypatch):
    write_figure(figure(), tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()

    def half(self, file, **options):
        file.write(b"half")
        raise OSError("no room")

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(OSError, match="no room"):
        write_figure(figure(), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_place_is_tried_before_the_work(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.png"):
        check_figure_place(tmp_path / "a.bmp")
    (tmp_path / "a.png").mkdir()
    with pytest.raises(IsADirectoryError):
        check_figure_place(tmp_path / "a.png")
    check_figure_place(tmp_path / "new" / "b.svg")
    assert not (tmp_path / "new" / "b.svg").exists()
