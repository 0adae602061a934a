"""Side and view, from texts, codes and every tag that may tell them."""

import pytest
from pydicom.dataset import Dataset

from agn_d2.dicom.views import parse_view_text, stated_view

from .dicom_files import code, mammogram


@pytest.mark.parametrize(
    ("text", "side", "view", "modifiers"),
    [
        ("CC", None, "CC", ()),
        ("RIGHT CC", "R", "CC", ()),
        ("LMLO", "L", "MLO", ()),
        ("left_mlo", "L", "MLO", ()),
        ("ML", None, "ML", ()),
        ("LM", None, "LM", ()),
        ("LLM", "L", "LM", ()),
        ("RML", "R", "ML", ()),
        ("LMO", None, "LMO", ()),
        ("XCCL", None, "XCCL", ()),
        ("RXCCM", "R", "XCCM", ()),
        ("FB", None, "FB", ()),
        ("medio-lateral oblique", None, "MLO", ()),
        ("cranio-caudal exaggerated laterally", None, "XCCL", ()),
        ("R MLO ID", "R", "MLO", ("implant displaced",)),
        ("LCCID", "L", "CC", ("implant displaced",)),
        ("RSCC", "R", "CC", ("spot",)),
        ("LMMLO", "L", "MLO", ("magnification",)),
        ("CC SPOT MAG", None, "CC", ("magnification", "spot")),
        ("CLEAVAGE", None, None, ("cleavage",)),
        ("L CC, R CC", None, "CC", ()),
        ("CC or MLO", None, None, ()),
        ("Tissue specimen", None, "SPECIMEN", ()),
        ("", None, None, ()),
    ],
)
def test_texts(text, side, view, modifiers):
    stated = parse_view_text(text)
    assert (stated.side, stated.view, stated.modifiers) == (side, view, modifiers)


@pytest.mark.parametrize(
    ("value", "scheme", "view"),
    [
        ("399162004", "SCT", "CC"),
        ("399368009", "SCT", "MLO"),
        ("R-10242", "SRT", "CC"),
        ("R-10226", "SNM3", "MLO"),
        ("R-10226", "99SDM", "MLO"),
        ("R-10224", "SNM3", "ML"),
        ("R-10228", "SRT", "LM"),
        ("Y-X1770", "SNM3", "XCCL"),
        ("Y-X1771", "SRT", "XCCM"),
        ("G-8310", "SRT", "SPECIMEN"),
    ],
)
def test_codes(value, scheme, view):
    data = mammogram(ViewPosition=None, ViewCodeSequence=[code(value, scheme)])
    assert stated_view(data).view == view


def test_an_unknown_code_is_read_by_its_meaning():
    data = mammogram(ViewPosition=None, ViewCodeSequence=[code("17", "99ACME", "Cranio-caudal")])
    assert stated_view(data).view == "CC"


@pytest.mark.parametrize(
    ("value", "scheme", "modifier"),
    [
        ("399055006", "SCT", "spot"),
        ("R-102D7", "SRT", "spot"),
        ("R-102D6", "SNM3", "magnification"),
        ("399209000", "SCT", "implant displaced"),
        ("R-102D2", "SRT", "cleavage"),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_modifier_codes_inside_the_view_code_or_beside_it(value, scheme, modifier, inside):
    modifiers = [code(value, scheme)]
    view = code("R-10242", "SRT", **({"ViewModifierCodeSequence": modifiers} if inside else {}))
    data = mammogram(ViewCodeSequence=[view])
    if not inside:
        data.ViewModifierCodeSequence = modifiers
    assert stated_view(data).modifiers == (modifier,)


def test_the_side_of_each_tag():
    frame, shared = Dataset(), Dataset()
    frame.FrameLaterality = "R"
    shared.FrameAnatomySequence = [frame]
    none = {"ImageLaterality": None}
    for tags in (
        {"ImageLaterality": "R"},
        none | {"Laterality": "R"},
        none | {"SharedFunctionalGroupsSequence": [shared]},
        none | {"ViewPosition": "RIGHT CC"},
        none | {"SeriesDescription": "R CC"},
        {"ImageLaterality": "B", "Laterality": "R"},
    ):
        stated = stated_view(mammogram(**tags))
        assert (stated.side, stated.view) == ("R", "CC"), tags


def test_the_view_of_cbis_ddsm_stands_in_the_orientation():
    stated = stated_view(mammogram(ViewPosition=None, PatientOrientation="MLO"))
    assert stated.view == "MLO"
    proper = stated_view(mammogram(ViewPosition=None, PatientOrientation=["P", "L"]))
    assert proper.view is None


def test_a_contradiction_is_noted_and_the_first_tag_counts():
    data = mammogram(Laterality="R", ViewCodeSequence=[code("R-10226", "SRT")])
    stated = stated_view(data)
    assert (stated.side, stated.view) == ("L", "MLO")
    assert stated.notes == (
        "side L by ImageLaterality, but R by Laterality",
        "view MLO by ViewCodeSequence, but CC by ViewPosition",
    )


def test_the_description_serves_only_where_no_tag_tells():
    data = mammogram(SeriesDescription="R MLO spot")
    assert (stated_view(data).side, stated_view(data).view) == ("L", "CC")
    assert stated_view(data).modifiers == ()
    del data.ViewPosition
    stated = stated_view(data)
    assert (stated.view, stated.modifiers) == ("MLO", ("spot",))
    assert "view from the description of the series" in stated.notes


def test_a_view_of_an_unknown_name_stays_as_it_is():
    assert stated_view(mammogram(ViewPosition="AP")).view == "AP"
    assert stated_view(mammogram(ViewPosition=None)).view is None
