"""The account of a preparation as files."""

import json

import pytest

from agn_d2.prepare.account import write_account


def test_counts_and_decisions(tmp_path):
    summary = {"images": 2, "left out": {"no view": 1}, "lost": {}}
    rows = [{"image": "a", "decision": "view, unknown"}, {"image": "b"}]
    write_account(tmp_path / "report", summary, rows, ("image", "decision"))
    read = {path.name: path.read_text() for path in (tmp_path / "report").iterdir()}
    assert json.loads(read.pop("summary.json")) == summary
    assert read == {
        "summary.txt": "images: 2\nleft out:\n  no view: 1\nlost: none\n",
        "decisions.csv": 'image,decision\na,"view, unknown"\nb,\n',
    }


def test_a_column_that_is_not_announced(tmp_path):
    with pytest.raises(ValueError, match="'why'"):
        write_account(tmp_path, {}, [{"why": "x"}], ("image",))
