"""Starting the processes of a training: Detectron2's way, or as one of those of torchrun."""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from detectron2.engine import launch
from detectron2.utils import comm
from torch.multiprocessing import ProcessRaisedException

from ..data.worker_errors import without_worker_traceback
from ..utils.command_line import EXPECTED, describe

# What torchrun tells each process it starts.
TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def started_by_torchrun() -> bool:
    """Whether torchrun has started this process."""
    return all(name in os.environ for name in TORCHRUN)


def launch_processes(main: Callable[[argparse.Namespace], Any], args: argparse.Namespace) -> Any:
    """Run ``main(args)`` in every process of the training.

    Under torchrun this process is one of them; otherwise ``--num-gpus`` processes are started
    here, as Detectron2 does. Processes talk by NCCL where there is CUDA, else by gloo.

    Args:
        main: the job of one process.
        args: arguments as Detectron2's ``default_argument_parser`` gives them.

    Returns:
        what ``main`` returns, where it ran in this process.

    Raises:
        ValueError: torchrun and ``--num-gpus`` both ask for several processes, or either for more
            on this machine than it has CUDA devices; or bad input, which a process that was
            started here has met.
    """
    main = functools.partial(_with_plain_errors, main)
    if not started_by_torchrun():
        # Without CUDA they run on the CPU.
        if torch.cuda.is_available() and args.num_gpus > torch.cuda.device_count():
            raise ValueError(
                f"--num-gpus is {args.num_gpus}, but this machine has "
                f"{torch.cuda.device_count()} CUDA devices"
            )
        if args.num_gpus > 1 or args.num_machines > 1:
            main = functools.partial(_with_errors_of_one_line, main)
        try:
            return launch(
                main,
                args.num_gpus,
                num_machines=args.num_machines,
                machine_rank=args.machine_rank,
                dist_url=args.dist_url,
                args=(args,),
            )
        except KeyboardInterrupt:
            # Python would wait for them at its end, and they for each other.
            for child in multiprocessing.active_children():
                child.terminate()
            raise
        except ProcessRaisedException as error:
            # Its text is the traceback of the process.
            kind, _, line = str(error).rstrip().rpartition("\n")[2].partition(": ")
            if kind == ValueError.__name__:
                raise ValueError(line) from error
            raise
    if args.num_gpus > 1 or args.num_machines > 1:
        raise ValueError("torchrun starts the processes: leave --num-gpus and --num-machines away")
    local, local_size = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    cuda = torch.cuda.is_available()
    if cuda and local_size > torch.cuda.device_count():
        raise ValueError(
            f"torchrun starts {local_size} processes on this machine, which has "
            f"{torch.cuda.device_count()} CUDA devices"
        )
    if cuda:
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if cuda else "gloo", init_method="env://")
    try:
        comm.create_local_process_group(local_size)
        comm.synchronize()
        return main(args)
    finally:
        dist.destroy_process_group()


def _with_plain_errors(main: Callable[[argparse.Namespace], Any], args: argparse.Namespace) -> Any:
    """``main(args)``; an error of a process that loads data says what it would say without."""
    try:
        return main(args)
    except Exception as error:
        plain = without_worker_traceback(error)
        if plain is error:
            raise
        raise plain from error


def _with_errors_of_one_line(
    main: Callable[[argparse.Namespace], Any], args: argparse.Namespace
) -> Any:
    """``main(args)``; bad input is a ValueError whose text is one line, the last of a traceback."""
    try:
        return main(args)
    except EXPECTED as error:
        raise ValueError(describe(error)) from error
