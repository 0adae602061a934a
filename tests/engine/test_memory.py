"""Freed memory is kept where glibc allocates, unless the user has settings of their own."""

import ctypes

import pytest

from agn_d2.engine import AGNTrainer, memory
from agn_d2.engine import trainer as trainer_module
from agn_d2.engine.memory import keep_freed_memory
from agn_d2.engine.progress import Progress
from agn_d2.engine.setup import load_cfg


class Library:
    """A C library that writes down what is set."""

    def __init__(self, accepts=1):
        self.accepts, self.settings = accepts, {}

    def mallopt(self, key, value):
        self.settings[key] = value
        return self.accepts


@pytest.fixture(autouse=True)
def no_settings_of_the_user(monkeypatch):
    for name in memory._USERS_OWN:
        monkeypatch.delenv(name, raising=False)


def test_large_blocks_come_from_the_heap_and_stay_there(monkeypatch):
    library = Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    assert keep_freed_memory()
    # mallopt(3): M_MMAP_MAX -4, M_TRIM_THRESHOLD -1, M_TOP_PAD -2.
    assert library.settings == {-4: 0, -1: 2**31 - 1, -2: 2**26}


@pytest.mark.parametrize("name", ["MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"])
def test_settings_of_the_user_win(monkeypatch, name):
    library = Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.setenv(name, "1")
    assert not keep_freed_memory() and library.settings == {}


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not keep_freed_memory()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library(accepts=0))
    assert not keep_freed_memory()


def test_a_training_on_the_cpu_asks_for_it_and_shows_its_progress_first(
    toy_datasets, tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(trainer_module, "keep_freed_memory", lambda: asked.append(True))
    options = {
        "MODEL.DEVICE": "cpu",
        "MODEL.TIMM.WEIGHTS": "",
        "MODEL.AGN.BGN.PRIOR": "",
        "DATALOADER.NUM_WORKERS": 0,
        "DATASETS.TEST": "()",
        "OUTPUT_DIR": tmp_path,
    }
    pairs = [str(part) for pair in options.items() for part in pair]
    trainer = AGNTrainer(load_cfg("configs/agrcnn_phantom_demo.yaml", pairs))
    assert asked == [True]
    assert isinstance(trainer._hooks[0], Progress)
    names = {type(module).__name__ for module in trainer.net.modules()}
    assert names >= {"SampledRPN", "ParallelROIAlign"}
