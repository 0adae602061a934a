"""Side and view of a mammogram, from every tag that may tell them.

Codes are those of DICOM's context groups 4014 (views) and 4015 (modifiers); the retired
SNOMED-RT codes under SRT, SNM3 and 99SDM are understood as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

SPECIMEN = "SPECIMEN"
_VIEWS, _MODIFIERS = codes.cid4014, codes.cid4015
_VIEW_CODES = (
    (_VIEWS.CranioCaudal, "CC"),
    (_VIEWS.MedioLateralObliqueProjection, "MLO"),
    (_VIEWS.MedioLateralProjection, "ML"),
    (_VIEWS.LateroMedial, "LM"),
    (_VIEWS.LateroMedialOblique, "LMO"),
    (_VIEWS.CranioCaudalExaggeratedLaterally, "XCCL"),
    (_VIEWS.CranioCaudalExaggeratedMedially, "XCCM"),
    (_VIEWS.CaudoCranial, "FB"),
    (_VIEWS.SuperolateralToInferomedialOblique, "SIO"),
    (_VIEWS.InferomedialToSuperolateralOblique, "ISO"),
    (_VIEWS.TissueSpecimenFromBreast, SPECIMEN),
)
_MODIFIER_CODES = (
    (_MODIFIERS.SpotCompression, "spot"),
    (_MODIFIERS.Magnification, "magnification"),
    (_MODIFIERS.ImplantDisplaced, "implant displaced"),
    (_MODIFIERS.Cleavage, "cleavage"),
    (_MODIFIERS.AxillaryTail, "axillary tail"),
    (_MODIFIERS.AxillaryTissue, "axillary tissue"),
    (_MODIFIERS.Tangential, "tangential"),
    (_MODIFIERS.RolledLateral, "rolled"),
    (_MODIFIERS.RolledMedial, "rolled"),
    (_MODIFIERS.RolledInferior, "rolled"),
    (_MODIFIERS.RolledSuperior, "rolled"),
    (_MODIFIERS.AnteriorCompression, "anterior compression"),
    (_MODIFIERS.InfraMammaryFold, "infra-mammary fold"),
    (_MODIFIERS.NippleInProfile, "nipple in profile"),
)
# Never valid in SNOMED, yet in files of GE: a former DICOM edition had them.
_DEPRECATED = {"Y-X1770": "XCCL", "Y-X1771": "XCCM"}
_RETIRED_SCHEMES = ("SRT", "SNM3", "99SDM")

_SIDE_WORDS = {"L": "L", "LT": "L", "LEFT": "L", "R": "R", "RT": "R", "RIGHT": "R"}
_MODIFIER_WORDS = {
    "SPOT": "spot",
    "MAG": "magnification",
    "MAGNIFICATION": "magnification",
    "MAGNIFIED": "magnification",
    "ID": "implant displaced",
    "DISPLACED": "implant displaced",
    "CLEAVAGE": "cleavage",
    "CV": "cleavage",
    "TANGENTIAL": "tangential",
    "TAN": "tangential",
    "ROLLED": "rolled",
    "RL": "rolled",
    "RM": "rolled",
    "RI": "rolled",
    "RS": "rolled",
    "AT": "axillary tail",
    "NP": "nipple in profile",
    "S": "spot",
    "M": "magnification",
}
_SPELLED = (
    (r"CRANIO[ -]?CAUDAL[ -]EXAGGERATED[ -]LATERALLY", "XCCL"),
    (r"CRANIO[ -]?CAUDAL[ -]EXAGGERATED[ -]MEDIALLY", "XCCM"),
    (r"CRANIO[ -]?CAUDAL[ -]EXAGGERATED", "XCC"),
    (r"CRANIO[ -]?CAUDAL", "CC"),
    (r"MEDIO?[ -]?LATERAL[ -]?OBLIQUE", "MLO"),
    (r"LATERO[ -]?MEDIAL[ -]?OBLIQUE", "LMO"),
    (r"MEDIO[ -]?LATERAL", "ML"),
    (r"LATERO[ -]?MEDIAL", "LM"),
    (r"CAUDO[ -]?CRANIAL", "FB"),
)
# LMLO, RCC, CCID, LSCC, RMMLO: side, spot and magnification before the view, others behind it.
_LABEL = re.compile(
    r"(?P<side>[LR])?(?P<before>[SM]{0,2})"
    r"(?P<view>XCCL|XCCM|XCC|CC|MLO|LMO|ML|LM|FB|SIO|ISO)"
    r"(?P<behind>ID|CV|RL|RM|RI|RS|NP)?"
)


@dataclass(frozen=True)
class StatedView:
    """What a file says of side and view.

    Attributes:
        side: "L", "R", or None where nothing tells it, or both sides are named.
        view: "CC", "MLO", "ML", "LM", "XCCL", ..., "SPECIMEN"; a text that is no name of a view as
            it stands; None where nothing tells it.
        modifiers: sorted, such as "spot", "magnification", "implant displaced", "cleavage".
        notes: contradictions between tags, and places where one would not expect the view.
    """

    side: str | None = None
    view: str | None = None
    modifiers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def parse_view_text(text: str) -> StatedView:
    """Side, view and modifiers that a text names, such as "RIGHT CC", "LMLO", "L MLO ID", "ML".

    A text that names two sides or two views tells neither.
    """
    text = text.upper()
    for pattern, name in _SPELLED:
        text = re.sub(pattern, name, text)
    sides, views, modifiers = set(), set(), set()
    for word in re.findall("[A-Z]+", text):
        label = _LABEL.fullmatch(word)
        if label:
            sides |= set(label["side"] or "")
            views.add(label["view"])
            modifiers |= {_MODIFIER_WORDS[letter] for letter in label["before"]}
            modifiers |= {_MODIFIER_WORDS[label["behind"]]} if label["behind"] else set()
        elif word in _SIDE_WORDS:
            sides.add(_SIDE_WORDS[word])
        elif word in _MODIFIER_WORDS:
            modifiers.add(_MODIFIER_WORDS[word])
        elif word.startswith("SPECIMEN"):
            views.add(SPECIMEN)
    return StatedView(_only(sides), _only(views), tuple(sorted(modifiers)))


def stated_view(data: Dataset) -> StatedView:
    """Side, view and modifiers of an image, from its header.

    The side is taken from ImageLaterality, FrameLaterality, Laterality, and then from the texts;
    the view from ViewCodeSequence, ViewPosition, from PatientOrientation, where CBIS-DDSM has it,
    and at last from the descriptions of series and protocol. The first tag that tells counts;
    another that contradicts it is noted.
    """
    coded_view, modifiers = _coded(data)
    position = parse_view_text(_text(data, "ViewPosition"))
    orientation = parse_view_text(_orientation(data))
    described = parse_view_text(
        f"{_text(data, 'SeriesDescription')} {_text(data, 'ProtocolName')}".replace("_", " ")
    )
    sides = [(tag, side) for tag, side in _side_tags(data) if side]
    sides += [("ViewPosition", position.side), ("PatientOrientation", orientation.side)]
    views = [("ViewCodeSequence", coded_view), ("ViewPosition", position.view)]
    views += [("PatientOrientation", orientation.view)]
    notes: list[str] = []
    side = _first("side", sides, notes)
    view = _first("view", views, notes)
    if side is None and described.side:
        side = described.side
        notes.append("side from the description of the series")
    if view is None and described.view:
        view = described.view
        modifiers |= set(described.modifiers)
        notes.append("view from the description of the series")
    if view is None:
        view = _text(data, "ViewPosition").strip() or None
    modifiers |= {*position.modifiers, *orientation.modifiers}
    modifiers |= _paddle_modifiers(_text(data, "PaddleDescription"))
    return StatedView(side, view, tuple(sorted(modifiers)), tuple(notes))


def _paddle_modifiers(text: str) -> set[str]:
    """Modifiers that the name of a paddle spells out: its letters S and M are sizes."""
    words = re.findall("[A-Z]{3,}", text.upper())
    return {_MODIFIER_WORDS[word] for word in words if word in _MODIFIER_WORDS}


def _first(what: str, named: list[tuple[str, str | None]], notes: list[str]) -> str | None:
    """The first tag's word, and a note on each tag behind it that has another."""
    told = [(tag, value) for tag, value in named if value]
    for tag, value in told[1:]:
        if value != told[0][1]:
            notes.append(f"{what} {told[0][1]} by {told[0][0]}, but {value} by {tag}")
    return told[0][1] if told else None


def _side_tags(data: Dataset) -> Iterator[tuple[str, str | None]]:
    yield "ImageLaterality", _side(data)
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in data.get(groups) or ():
            for anatomy in group.get("FrameAnatomySequence") or ():
                yield "FrameLaterality", _side(anatomy, "FrameLaterality")
    yield "FrameLaterality", _side(data, "FrameLaterality")
    yield "Laterality", _side(data, "Laterality")


def _side(data: Dataset, keyword: str = "ImageLaterality") -> str | None:
    return _SIDE_WORDS.get(_text(data, keyword).strip().upper())


def _orientation(data: Dataset) -> str:
    """PatientOrientation, unless it holds two directions, as it should."""
    value = data.get("PatientOrientation")
    return value if isinstance(value, str) else ""


def _coded(data: Dataset) -> tuple[str | None, set[str]]:
    """View and modifiers of ViewCodeSequence; the modifiers may lie beside it, too."""
    view, modifiers = None, set()
    items = list(data.get("ViewCodeSequence") or ())
    for item in items:
        view = view or _lookup(item, _VIEW_CODES) or parse_view_text(_meaning(item)).view
    for holder in (*items, data):
        for item in holder.get("ViewModifierCodeSequence") or ():
            modifier = _lookup(item, _MODIFIER_CODES)
            modifiers |= {modifier} if modifier else set(parse_view_text(_meaning(item)).modifiers)
    return view, modifiers


def _lookup(item: Dataset, table: tuple[tuple[Code, str], ...]) -> str | None:
    value, scheme = _text(item, "CodeValue").strip(), _text(item, "CodingSchemeDesignator").strip()
    if value in _DEPRECATED:
        return _DEPRECATED[value]
    # pydicom knows the successors of SNOMED-RT codes under this name alone.
    code = Code(value, "SRT" if scheme in _RETIRED_SCHEMES else scheme, "")
    return next((name for known, name in table if known == code), None)


def _meaning(item: Dataset) -> str:
    return _text(item, "CodeMeaning")


def _text(data: Dataset, keyword: str) -> str:
    value = data.get(keyword)
    return "" if value is None else str(value)


def _only(values: set[str]) -> str | None:
    return values.pop() if len(values) == 1 else None
