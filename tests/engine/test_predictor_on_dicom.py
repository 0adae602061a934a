"""The predictor on DICOM files, examinations and images of few bits; boxes by planted marks."""

import logging

import cv2
import numpy as np
import pytest
import torch
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Boxes, Instances

from agn_d2.cross_view.candidates import ViewDetections, collect_candidates
from agn_d2.data.breast_crop import uncropped
from agn_d2.data.examination_files import read_examination
from agn_d2.dicom.tone import Tone
from agn_d2.engine.predictor import Predictor

from ..dicom.dicom_files import film, mammogram, write
from ..modeling.tiny_model import make_cfg, make_model, randomize_graph

SIZE = ["INPUT.SIZE", (96, 64), "DATALOADER.NUM_WORKERS", 0]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "model.pth"
    torch.save({"model": randomize_graph(make_model()).state_dict()}, path)
    return str(path)


def predictor(weights, *overrides, crop=True):
    cfg = make_cfg(*SIZE, "INPUT.CROP_TO_BREAST", crop, "MODEL.WEIGHTS", weights, *overrides)
    return Predictor(cfg)


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(("LCC", "LMLO", "RCC")):
        pixels = film(number)
        tags = {"ImageLaterality": name[0], "ViewPosition": name[1:]}
        window = {"WindowCenter": "2400", "WindowWidth": "1500"}
        write(tmp_path / f"{name}.dcm", mammogram(pixels, **tags, **window))
    return tmp_path


def assert_alike(found, expected):
    assert list(found) == list(expected)
    for key, one in found.items():
        assert len(one) > 3
        torch.testing.assert_close(one.pred_boxes.tensor, expected[key].pred_boxes.tensor)
        torch.testing.assert_close(one.scores, expected[key].scores)


def test_paths_an_examination_and_arrays_give_the_same(weights, folder):
    ours = predictor(weights)
    examination = ours.read_examination(folder)
    arrays = ours({key: image.pixels for key, image in examination.images.items()})
    paths = ours({f"{n[0]}-{n[1:]}": folder / f"{n}.dcm" for n in ("LCC", "LMLO", "RCC")})
    assert_alike(ours(examination), arrays)
    assert_alike(paths, arrays)
    assert arrays["L-CC"].image_size == (200, 150)


def test_the_tone_of_the_training_is_that_of_the_prediction(weights, folder):
    shown, full = predictor(weights), predictor(weights, "INPUT.DICOM_TONE", "full_scale")
    examination = read_examination(folder, tone=Tone("full_scale"))
    with pytest.raises(
        ValueError, match=r"LCC\.dcm: read with Tone\(kind='full_scale'.*DICOM_TONE"
    ):
        shown(examination)
    by_path = full({"L-CC": folder / "LCC.dcm"})
    by_array = full({"L-CC": examination.images["L-CC"].pixels})
    assert_alike(by_path, by_array)
    other = shown({"L-CC": folder / "LCC.dcm"})
    assert not torch.equal(other["L-CC"].scores, by_path["L-CC"].scores)


def test_a_header_that_contradicts_the_key_is_said_and_raw_values_are_refused(
    weights, folder, caplog
):
    ours = predictor(weights)
    with caplog.at_level(logging.WARNING):
        ours({"R-MLO": folder / "LCC.dcm"})
    assert "LCC.dcm: given as R-MLO, but its header says L-CC" in caplog.text
    raw = write(folder / "raw.dcm", mammogram(film(), PresentationIntentType="FOR PROCESSING"))
    with pytest.raises(ValueError, match=r"raw\.dcm: for processing"):
        ours({"L-CC": raw})


def test_bits_of_arrays_and_of_files(weights, tmp_path, caplog):
    ours = predictor(weights)
    pixels = film(3)  # 12 bits
    path = tmp_path / "lcc.png"
    assert cv2.imwrite(str(path), pixels)
    shares = ours({"L-CC": (pixels / 4095).astype(np.float32)})
    with caplog.at_level(logging.WARNING):
        for given in (pixels, path):
            for bits in (12, {"LCC": 12}):
                found = ours({"L-CC": given}, bits=bits)
                torch.testing.assert_close(
                    found["L-CC"].scores, shares["L-CC"].scores, rtol=1e-3, atol=1e-4
                )
        assert "too dark" not in caplog.text
        dark = ours({"L-CC": path})
    assert "lcc.png: of 16 bits, but no value above 4095" in caplog.text
    assert "then 16 times too dark; give bits=12" in caplog.text
    assert not torch.allclose(dark["L-CC"].scores[:3], shares["L-CC"].scores[:3], atol=1e-3)
    with pytest.raises(ValueError, match=r"L-CC: bits 10 ends at 1023"):
        ours({"L-CC": pixels}, bits=10)
    with pytest.raises(ValueError, match=r"bits: the case has no view R-CC"):
        ours({"L-CC": pixels}, bits={"R-CC": 12})


class FindsMarks(torch.nn.Module):
    """In the place of a network: one box a bright mark, moved to the image as Detectron2 does."""

    def forward(self, inputs):
        outputs = []
        for one in inputs:
            image = one["image"][0].numpy()
            count, _, stats, _ = cv2.connectedComponentsWithStats((image > 0.93).astype(np.uint8))
            found = Instances(image.shape)
            x, y, w, h = stats[1:count, :4].T
            boxes = np.stack([x, y, x + w, y + h], 1)
            found.pred_boxes = Boxes(torch.as_tensor(boxes, dtype=torch.float32))
            found.scores = torch.ones(count - 1)
            outputs.append({"instances": detector_postprocess(found, one["height"], one["width"])})
        return outputs


MARKS = np.array([[30, 70, 42, 88], [48, 96, 60, 108], [20, 110, 44, 118]])


@pytest.mark.parametrize("crop", [False, True])
@pytest.mark.parametrize("resize", ["stretch", "fit"])
@pytest.mark.parametrize("mirrored", [False, True])
def test_planted_marks_come_back_where_they_are(weights, tmp_path, crop, resize, mirrored):
    """Twice the film's size in the network, so that a pixel of it is half a pixel here."""
    pixels = (0.5 * film(2)).astype(np.uint16)
    for x0, y0, x1, y1 in MARKS:
        pixels[y0:y1, x0:x1] = 4095
    expected = MARKS.copy()
    if mirrored:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
        expected[:, [0, 2]] = 150 - expected[:, [2, 0]]
    path = write(tmp_path / "a.dcm", mammogram(pixels, ImageLaterality="R" if mirrored else "L"))
    # Flips are for training: their probability moves nothing here.
    options = ["INPUT.RESIZE", resize, "INPUT.FLIP_HORIZONTAL", 1.0]
    ours = predictor(weights, *options, "INPUT.SIZE", (400, 300), crop=crop)
    ours.model = FindsMarks()
    examination = ours.read_examination(path)
    case, keys = ours.read(examination)
    if crop:
        height, width = case.images[0]["height"], case.images[0]["width"]
        assert height * width < 0.8 * pixels.size
    (found,) = ours.detect(case, keys).values()
    boxes = found.pred_boxes.tensor.numpy()
    boxes = boxes[np.argsort(boxes[:, 1])]
    assert np.abs(boxes - expected[np.argsort(expected[:, 1])]).max() < 1.01
    assert found.image_size == pixels.shape
    assert uncropped(found, {}) is found


def test_a_relation_measures_in_the_millimeters_that_the_headers_state(weights, tmp_path):
    """As it does on a data set that was prepared of the same files (mm_per_pixel)."""
    for number, (name, tags) in enumerate(
        {
            "LCC": {"ImagerPixelSpacing": [0.1, 0.1]},
            "LMLO": {"ImagerPixelSpacing": [0.05, 0.05]},
            "RCC": {"ImagerPixelSpacing": [0.1, 0.2]},
        }.items()
    ):
        tags |= {"ImageLaterality": name[0], "ViewPosition": name[1:]}
        write(tmp_path / f"{name}.dcm", mammogram(film(number), **tags))
    ours = predictor(weights)
    examination = ours.read_examination([tmp_path / "LCC.dcm", tmp_path / "LMLO.dcm"])
    paths = {"L-CC": tmp_path / "LCC.dcm", "L-MLO": tmp_path / "LMLO.dcm"}
    box = ViewDetections(np.array([[10.0, 20.0, 50.0, 60.0]]), np.array([0.5]))
    for case, _ in (ours.read(examination), ours.read(paths)):
        assert [image["pixel_size"] for image in case.images] == [0.1, 0.05]
        found = collect_candidates([case], {"L-CC": box, "L-MLO": box}).candidates
        assert found.size[:, 0].tolist() == pytest.approx([4.0, 2.0])
    # No one length of a pixel, and none in an array: the breast's height is the unit then.
    odd, _ = ours.read({"R-CC": tmp_path / "RCC.dcm", "L-CC": film(0)})
    assert not any("pixel_size" in image for image in odd.images)
