"""The one way in which the programs of tools/ and datasets/ end.

Bad input, or a place that cannot be written, gives one line on stderr and exit status 2. An
interruption gives one line and status 130 (143 for SIGTERM) and leaves no process behind. What is
left is a fault of the program, and keeps its traceback.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import functools
import inspect
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, ParamSpec, TextIO

from .startup import leave_at_once

P = ParamSpec("P")

BAD_INPUT = 2
# Set to show where bad input was found, for whoever looks for a fault of the program.
SHOW_TRACEBACK = "AGN_D2_TRACEBACK"
PATIENCE = 3.0  # seconds that a worker gets to end by itself
PATIENCE_WITH_PROGRAMS = 15.0

# What bad input raises. UnicodeDecodeError and JSONDecodeError are ValueErrors.
EXPECTED = (ValueError, OSError, ImportError, FloatingPointError)

REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space, or choose another place",
    errno.EDQUOT: "the disk quota is used up; free some space, or choose another place",
    errno.EFBIG: "the file would be larger than this system or user may write",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.EACCES: "permission denied; change the permissions, or choose another place",
    errno.EPERM: "not permitted; choose another place",
    errno.EISDIR: "is a folder where a file is expected",
    errno.ENOTDIR: "lies below a file where a folder is expected; choose another place",
    errno.EEXIST: "is there already and no folder; choose another place",
    errno.ENOENT: "no such file or folder",
}


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a program as an interruption does."""


def command_line_tool(main: Callable[P, int | None]) -> Callable[P, int]:
    """Decorator of a program's ``main``: turns what ends it into a line and an exit status.

    The line starts with the name of the program's file, without its ending.

    Args:
        main: returns its exit status, or None for 0.

    Returns:
        ``main`` that returns 2 on bad input, 130 when interrupted, 143 when terminated.
    """
    name = Path(inspect.getfile(main)).stem

    @functools.wraps(main)
    def run(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            with _interruptible():
                status = main(*args, **kwargs)
                sys.stdout.flush()
        except KeyboardInterrupt as error:
            status = _interrupted(name, error)
            if main.__module__ == "__main__":
                _leave(status)
            return status
        except BrokenPipeError as error:
            return _broken_pipe(name, error)
        except EXPECTED as error:
            return _bad_input(name, error)
        return status or 0

    return run


def describe(error: BaseException) -> str:
    """An error as one line: the file, what is wrong with it, and the remedy where one is known."""
    text = str(error)
    if isinstance(error, OSError) and error.errno is not None:
        file = error.filename2 or error.filename
        reason = REMEDIES.get(error.errno, error.strerror)
        text = f"{os.fsdecode(file)}: {reason}" if file is not None else f"output: {reason}"
    return " ".join(text.split()) or type(error).__name__


def _bad_input(name: str, error: BaseException) -> int:
    if os.environ.get(SHOW_TRACEBACK):
        traceback.print_exception(error)
    print(f"{name}: {describe(error)}", file=sys.stderr)
    _drop_output(sys.stdout)
    return BAD_INPUT


def _interrupted(name: str, error: KeyboardInterrupt) -> int:
    terminated = isinstance(error, Terminated)
    with _deaf():
        end_workers()
    print(f"{name}: {'terminated' if terminated else 'interrupted'}", file=sys.stderr)
    return 128 + (signal.SIGTERM if terminated else signal.SIGINT)


def _leave(status: int) -> NoReturn:
    """End the process without waiting for threads that are at work; some would crash it."""
    # What Python does at its end, temporary files and semaphores of joblib among it.
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        _drop_output(stream)
    os._exit(status)


def _broken_pipe(name: str, error: BrokenPipeError) -> int:
    """Quiet if the reader of stdout is gone, as with ``| head``."""
    if not _reader_is_gone(sys.stdout):
        return _bad_input(name, error)
    _drop_output(sys.stdout)
    return 128 + signal.SIGPIPE


def _reader_is_gone(stream: TextIO) -> bool:
    poll = select.poll()
    try:
        poll.register(stream.fileno(), 0)
    except OSError:  # a stream without a file
        return False
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _drop_output(stream: TextIO) -> None:
    """What cannot be written to a stream is not tried again, and complained of, at exit."""
    try:
        stream.flush()
    except OSError:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, stream.fileno())
        os.close(sink)


def end_workers() -> None:
    """End all worker processes that Python's multiprocessing, PyTorch or joblib have started."""
    workers = multiprocessing.active_children()
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join(PATIENCE)
        if worker.is_alive():
            # Not worker.kill(): joblib's workers have none.
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
            worker.join(PATIENCE)


def run_program(command: Sequence[str], **options: Any) -> int:
    """Run another program to its end; it is ended with its workers if this one is interrupted.

    Args:
        command: the program and its arguments.
        options: options of ``subprocess.Popen``.

    Returns:
        its exit status.
    """
    with subprocess.Popen(command, **options) as program:
        try:
            return program.wait()
        except BaseException:
            # Not killed at once, as subprocess.run does: it has workers of its own to end.
            program.terminate()
            try:
                program.wait(PATIENCE_WITH_PROGRAMS)
            except subprocess.TimeoutExpired:
                program.kill()
            raise


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """SIGINT and SIGTERM raise here, until the program's ``main`` is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if signal.getsignal(signal.SIGINT) is leave_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    before = {}
    for number, error, usual in (
        (signal.SIGINT, KeyboardInterrupt, signal.default_int_handler),
        (signal.SIGTERM, Terminated, signal.SIG_DFL),
    ):
        # Whoever has set something else, as nohup does, knows why.
        if signal.getsignal(number) == usual:
            before[number] = signal.signal(number, _raiser(error))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raiser(error: type[KeyboardInterrupt]) -> Callable[[int, FrameType | None], None]:
    owner = os.getpid()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if os.getpid() == owner:
            # What libraries say of workers that they lose is no news now.
            warnings.simplefilter("ignore")
            raise error
        # A forked worker has inherited this; it ends as if nothing had been set.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    return interrupt


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """A second Ctrl-C, out of impatience, does not keep the workers alive."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
