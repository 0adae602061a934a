"""Tables by the names of their columns: what cannot be read is named, and nothing is lost of it."""

import sys
from types import SimpleNamespace

import pytest

from agn_d2.prepare.core_tables import optional, read_rows


@pytest.mark.parametrize("behind", [2, 9000])
def test_a_quote_that_is_not_closed_loses_no_rows(tmp_path, behind):
    """The csv module makes one cell of all that follows; if that is long, it raises csv.Error."""
    table = tmp_path / "mine.csv"
    table.write_text('file,box\na.png,1 2 3 4\n"b.png,1 2 3 4\n' + "c.png,1 2 3 4\n" * behind)
    with pytest.raises(ValueError, match=r"mine\.csv, line 3: not readable as CSV"):
        read_rows(table, ("file",))


def test_a_row_is_named_by_the_line_in_which_it_begins(tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text('file;note\na.png;"two\nlines"\nb.png;one\n')
    assert read_rows(table, ("file",)) == [
        (f"{table}, line 2", {"file": "a.png", "note": "two\nlines"}),
        (f"{table}, line 4", {"file": "b.png", "note": "one"}),
    ]


@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\n'])
def test_the_separator_that_excel_states_above_the_columns(tmp_path, first):
    """More commas than semicolons in the columns' names, so it cannot be guessed."""
    table = tmp_path / "mine.csv"
    table.write_bytes(f"{first}file;x, y, w, h\na.png;1\n\nb.png;2\n".encode())
    assert read_rows(table, ("file",)) == [
        (f"{table}, line 3", {"file": "a.png", "x,_y,_w,_h": "1"}),
        (f"{table}, line 5", {"file": "b.png", "x,_y,_w,_h": "2"}),
    ]


def test_a_column_that_stands_there_twice_is_named(tmp_path):
    """The last one would count, without a word."""
    table = tmp_path / "mine.csv"
    table.write_text("file,View,,view ,\na.png,CC,,MLO,\n")
    with pytest.raises(ValueError, match=r"mine\.csv: two columns view; which one counts"):
        read_rows(table, ("file",))


@pytest.mark.parametrize("cell", ["", "NaN", "None", "null", "N/A", "<NA>"])
def test_what_tables_write_into_an_empty_cell_is_nothing(cell):
    assert optional({"patient": cell}, "patient") is None
    assert optional({"patient": f"{cell}1"}, "patient") == f"{cell}1"


def test_whole_numbers_of_excel_are_written_as_they_are_meant(tmp_path, monkeypatch):
    """A patient 17.0 would be another one than the 17 of a table of splits."""
    cells = [["patient", "x", "file"], [17.0, 2.5, "a.png"], ["", 3.0, "b.png"]]
    sheet = SimpleNamespace(nrows=3, row_values=cells.__getitem__)
    book = SimpleNamespace(sheet_by_index=lambda _: sheet)
    excel = SimpleNamespace(open_workbook=lambda _: book, XLRDError=OSError)
    monkeypatch.setitem(sys.modules, "xlrd", excel)
    (tmp_path / "mine.xls").touch()
    rows = [row for _, row in read_rows(tmp_path / "mine.xls", ("patient",))]
    assert rows == [
        {"patient": "17", "x": "2.5", "file": "a.png"},
        {"patient": "", "x": "3", "file": "b.png"},
    ]
