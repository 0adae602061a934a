"""Shuffled partners: views of other patients, of the same kind, and as many as before."""

import itertools
import logging
from pathlib import Path

import cv2
import pytest
import torch
from detectron2.data import DatasetCatalog

from agn_d2.data.build import build_test_loader, build_train_loader
from agn_d2.data.cases import count_links, group_cases
from agn_d2.data.partners import shuffle_partners
from agn_d2.engine.setup import load_cfg


def image(patient, text, case=None):
    record = {"patient_id": patient, "laterality": text[0], "view": text[1:]}
    record["file_name"] = f"{case or patient}_{text}.png"
    return record | ({"case_id": case} if case else {})


FOUR = ["LCC", "LMLO", "RCC", "RMLO"]


def cases_of(*patients):
    return group_cases([image(name, text) for name, views in patients for text in views])


CASES = cases_of(*((f"P{i}", FOUR) for i in range(5)), ("Q1", FOUR[:2]), ("Q2", FOUR[:2]))


@pytest.mark.parametrize("seed", range(5))
def test_every_link_shows_the_same_view_of_another_patient(seed):
    for before, after in zip(CASES, shuffle_partners(CASES, seed), strict=True):
        assert after.images == before.images and after.case_id == before.case_id
        for role in ("auxiliary", "contralateral"):
            for old, new in zip(getattr(before, role), getattr(after, role), strict=True):
                assert (old is None) == (new is None)
                if new is not None:
                    own, other = before.images[old], after.record(new)
                    assert other["patient_id"] != own["patient_id"]
                    for key in ("laterality", "view"):
                        assert other[key] == own[key]


def test_counts_of_available_views_stay():
    assert count_links(shuffle_partners(CASES)) == count_links(CASES)


def test_every_case_serves_once_and_the_seed_decides():
    def donors(seed):
        return [case.borrowed[0]["patient_id"] for case in shuffle_partners(CASES, seed)]

    assert sorted(donors(0)) == sorted(case.case_id for case in CASES)
    assert donors(0) == donors(0)
    assert len({tuple(donors(seed)) for seed in range(10)}) > 1


def test_two_examinations_of_one_patient_do_not_serve_each_other():
    images = [image("P", text, case) for case in ("a", "b") for text in FOUR[:2]]
    images += [image("Q", text) for text in FOUR[:2]]
    for seed in range(5):
        first, second, other = shuffle_partners(group_cases(images), seed)
        assert first.borrowed[0]["patient_id"] == second.borrowed[0]["patient_id"] == "Q"
        assert other.borrowed[0]["patient_id"] == "P"


def test_a_case_that_nobody_can_serve_reads_nothing_and_that_is_said(caplog):
    cases = cases_of(("P1", FOUR), ("P2", FOUR[:2]), ("P3", FOUR[:1]))
    with caplog.at_level(logging.WARNING):
        shuffled = shuffle_partners(cases)
    assert count_links(shuffled)["neither"] == 7
    # P3 had no partner before either.
    assert "2 of 3 cases" in caplog.text


@pytest.fixture
def two_patients(toy_datasets, tmp_path):
    """``phantom_test`` as two patients of four views, the second one's images inverted."""
    first = [i for i in DatasetCatalog.get("phantom_test") if i["patient_id"] == "P1"]
    second = []
    for record in first:
        file = tmp_path / Path(record["file_name"]).name
        pixels = cv2.imread(record["file_name"], cv2.IMREAD_UNCHANGED)
        assert cv2.imwrite(str(file), 65535 - pixels)
        second.append(record | {"patient_id": "P9", "file_name": str(file)})
    for name in ("phantom_train", "phantom_test"):
        DatasetCatalog.remove(name)
        DatasetCatalog.register(name, lambda: first + second)


def test_loaders_read_the_borrowed_views_and_examine_the_own_ones(two_patients):
    options = ["DATALOADER.NUM_WORKERS", "0", "INPUT.SIZE", "(96, 64)", "SOLVER.IMS_PER_BATCH", "8"]
    options += [
        "INPUT.FLIP_HORIZONTAL",
        "0.0",
        "INPUT.FLIP_VERTICAL",
        "0.0",
        "INPUT.GAMMA",
        "(1, 1)",
    ]
    cfg = load_cfg("configs/agrcnn_phantom_demo.yaml", options)

    def items(loader):
        return {i["file_name"]: i for i in itertools.chain.from_iterable(loader)}

    true = items(build_test_loader(cfg, "phantom_test"))
    cfg.DATALOADER.SHUFFLE_PARTNERS = True
    testing = items(build_test_loader(cfg, "phantom_test"))
    training = items(itertools.islice(build_train_loader(cfg), 1))
    assert len(true) == 8 and testing.keys() == training.keys() == true.keys()
    for name, item in true.items():
        for shuffled in (testing[name], training[name]):
            assert torch.equal(shuffled["image"], item["image"])
            for role in ("auxiliary_view", "contralateral_view"):
                # The other patient's pixels are the inverse of the own partner's.
                inverse = 1 - shuffled[role].image
                assert torch.allclose(inverse, item[role].image, atol=1e-4)
                assert torch.equal(shuffled[role].nodes, item[role].nodes)
