"""Freed memory is kept where glibc allocates, unless the user has settings of their own."""

import ctypes

import pytest

from agn_d2.engine import memory
from agn_d2.engine.memory import keep_freed_memory


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
