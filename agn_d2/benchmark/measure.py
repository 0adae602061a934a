"""Times of interleaved runs, and peak memory."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

MIB = 2**20
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def interleaved_times(
    runs: Mapping[str, Callable[[], None]],
    *,
    warmup: int,
    repeats: int,
    device: str,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each run, taken in turn: what else the machine does falls on all alike.

    Args:
        runs: name -> function.
        warmup: rounds that are not counted.
        repeats: rounds that are.
        device: "cpu", "cuda" or one of several ("cuda:1"), which is waited for.
        clock: seconds; ``time.process_time`` counts those of the CPU.

    Raises:
        ValueError: no round is counted.
    """
    if repeats < 1:
        raise ValueError(f"at least one round must be counted, got {repeats}")
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(warmup + repeats):
        for name, run in runs.items():
            _wait(device)
            start = clock()
            run()
            _wait(device)
            if number >= warmup:
                times[name].append(clock() - start)
    return times


def peak_memory(run: Callable[[], None], device: str) -> float | None:
    """MiB that a run needs at its peak, beyond what was held before it.

    On CUDA what PyTorch allocates; on the CPU the resident memory of the process, by the
    kernel's own high-water mark (Linux; None elsewhere).
    """
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return (torch.cuda.max_memory_allocated(device) - before) / MIB
    if not _CLEAR.exists():
        return None
    # Memory that malloc holds back would hide what the run needs.
    ctypes.CDLL(None).malloc_trim(0)
    _CLEAR.write_text("5")  # sets the high-water mark back
    before = _status_kib("VmRSS")
    run()
    return (_status_kib("VmHWM") - before) * 1024 / MIB


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def _status_kib(key: str) -> int:
    lines = _STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))
