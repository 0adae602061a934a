"""A small INbreast with the quirks of the real one; films of noise, outlines planted in the XML."""

from __future__ import annotations

import plistlib
from pathlib import Path

from ..dicom.dicom_files import film, mammogram, uid, write

HEIGHT, WIDTH = 200, 150
HEADER = "Patient ID;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads;Mass ;Micros;Notes"
ANNA, BEA, CLEO = "0123456789abcdef", "fedcba9876543210", "00aa11bb22cc33dd"
# File -> patient, row, and regions: name, points, points that are stated.
SQUARE = [(20.5, 60.5), (40.5, 60.5), (40.5, 90.5), (20.5, 90.5)]
TRIANGLE = [(10.5, 80.5), (50.5, 80.5), (10.5, 120.5)]
OUTSIDE = [(-6.5, 60.5), (20.5, 60.5), (20.5, 80.5), (-6.5, 80.5)]
FILMS = {
    # A file name that a spreadsheet wrote as a float, and a note in Latin letters of 8 bits.
    "20000001": (ANNA, "removed;L;CC;200801;20000001.0;2;4a;X;;Les\xe3o", [("Mass", SQUARE, 4)]),
    "20000002": (
        ANNA,
        "removed;L;MLO;200801;20000002;2;4a;X;X;",
        [("Calcification", [(5, 5)], 1), ("Mass", TRIANGLE, 3), ("Mass", OUTSIDE, 4)],
    ),
    "20000003": (ANNA, "removed;R;CC;200801;20000003;2;1;;;", None),
    "20000004": (ANNA, "removed;R;FB;200801;20000004;2;1;;;", None),
    # She came again.
    "20000005": (ANNA, "removed;L;CC;200907;20000005;2;2;;;", [("Cluster", SQUARE, 4)]),
    "20000006": (BEA, "removed;R;CC;200801;20000006;1;5;X;;", [("Mass", SQUARE[:2], 2)]),
    "20000007": (BEA, "removed;R;MLO;200801;20000007;1;5;X;;", None),
    "20000008": (BEA, "removed;L;MLO;200801;20000008;1;5;;;", [("mass", TRIANGLE, 7)]),
    "20000009": (CLEO, "removed;L;CC;200801;20000009;;4c;X;;", "no property list"),
    "20000010": (CLEO, "removed;L;MLO;200801;20000010;4;4c;;;", []),
}
NO_DICOM = "20000011"
SUMS = ";;;;;;;5;1;"


def build_inbreast(root: Path) -> None:
    """Write INbreast.csv, AllDICOMs and AllXML."""
    rows = [HEADER, *(row for _, row, _ in FILMS.values())]
    rows += [f"removed;R;CC;200801;{NO_DICOM};1;1;;;", SUMS]
    root.mkdir(parents=True)
    (root / "INbreast.csv").write_bytes("\r\n".join(rows).encode("cp1252"))
    for number, (name, (patient, row, rois)) in enumerate(FILMS.items()):
        side, view = row.split(";")[1:3]
        position = "CC" if view == "CC" else "ML"
        data = mammogram(
            film(number, HEIGHT, WIDTH),
            PatientID="",
            ImageLaterality=None,
            ViewPosition=None,
            ImagerPixelSpacing=[0.07, 0.07],
            SOPInstanceUID=uid(name),
        )
        write(root / "AllDICOMs" / f"{name}_{patient}_MG_{side}_{position}_ANON.dcm", data)
        if rois is not None:
            write_xml(root / "AllXML" / f"{name}.xml", rois)


def write_xml(path: Path, rois: list | str) -> None:
    """A property list of regions; a text is written as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(rois, str):
        path.write_text(rois)
        return
    items = [
        {
            "Name": name,
            "NumberOfPoints": stated,
            "Point_px": [f"({x:f}, {y:f})" for x, y in points],
            "Point_mm": [],
        }
        for name, points, stated in rois
    ]
    image = {"ImageIndex": 0, "NumberOfROIs": len(items), "ROIs": items}
    path.write_bytes(plistlib.dumps({"Images": [image]}))
