#!/usr/bin/env python
"""Time and memory of AGN beside stock Detectron2, per examined image, in one run.

    tools/benchmark.py --config-file configs/agrcnn_R50_FPN.yaml --sizes 512 1024 \\
        --precision float32 amp --json benchmark.json

Runs of stock Detectron2 (same gray stem, same weights), of AGN on a batch of one 4-view case, and
of AGN on one examined image at a time (three passes through the backbone) take turns, on made-up
images; no data set is needed. The heads of both see the same boxes. Ratios are medians over the
rounds.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import itertools
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch
from detectron2.config import CfgNode

import agn_d2
from agn_d2.benchmark.measure import interleaved_times, peak_memory
from agn_d2.benchmark.report import Row, markdown_table, time_ratio
from agn_d2.benchmark.subjects import ONE_AT_A_TIME, STOCK, Subject, build_subjects
from agn_d2.engine.setup import load_cfg
from agn_d2.utils.files import check_writable, write_json

AMP = {"cpu": torch.bfloat16, "cuda": torch.float16}
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
MODES = ("inference", "training")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", nargs="+", required=True, help="configs with AGN")
    parser.add_argument("--sizes", nargs="+", type=int, default=[512, 1024], help="input in pixels")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", nargs="+", choices=("float32", "amp"), default=["float32"])
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--threads", type=int, help="CPU threads of PyTorch")
    parser.add_argument("--repeats", type=int, default=7, help="rounds that are counted")
    parser.add_argument("--warmup", type=int, default=2, help="rounds before")
    parser.add_argument(
        "--layout",
        choices=("auto", "channels_last", "contiguous"),
        default="auto",
        help="memory layout; auto: channels_last on the CPU, contiguous on CUDA",
    )
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: CPU seconds of the process, for a machine that others use too",
    )
    parser.add_argument("--no-single", action="store_true", help="leave out one image at a time")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("opts", nargs=argparse.REMAINDER, help="KEY VALUE overrides after --")
    return parser.parse_args()


def make_cfg(args: argparse.Namespace, config_file: str) -> CfgNode:
    """A config that needs no file beside itself."""
    opts = [option for option in args.opts if option != "--"]
    alone = ["MODEL.WEIGHTS", "", "MODEL.TIMM.WEIGHTS", "", "MODEL.AGN.BGN.PRIOR", ""]
    return load_cfg(config_file, ["MODEL.DEVICE", args.device, *alone, *opts])


def measure(
    args: argparse.Namespace, name: str, size: int, subjects: list[Subject], precision: str
) -> list[Row]:
    """Rows of one config, size and precision."""
    amp = AMP[args.device.split(":")[0]] if precision == "amp" else None
    rows = []
    for mode in args.modes:
        runs = {}
        for subject in subjects:
            train = subject.trainer(amp) if mode == "training" else None
            runs[subject.name] = train or (lambda s=subject: s.infer(amp))
        times = interleaved_times(
            runs,
            warmup=args.warmup,
            repeats=args.repeats,
            device=args.device,
            clock=CLOCKS[args.clock],
        )
        memory = {}
        for subject in subjects:
            peak = peak_memory(runs[subject.name], args.device)
            memory[subject.name] = peak and peak / max(map(len, subject.batches))
        for subject in subjects:
            rounds = [t / subject.images for t in times[subject.name]]
            ratio, quartiles = time_ratio(times[subject.name], times[STOCK])
            peak = memory[subject.name]
            rows.append(
                Row(
                    config=name,
                    size=size,
                    precision="float32" if amp is None else str(amp).removeprefix("torch."),
                    mode=mode,
                    detector=subject.name,
                    seconds=sorted(rounds)[len(rounds) // 2],
                    rounds=rounds,
                    ratio=ratio,
                    ratio_quartiles=quartiles,
                    memory=peak,
                    memory_ratio=peak and peak / memory[STOCK],
                )
            )
    return rows


def describe(args: argparse.Namespace) -> dict[str, str | int]:
    """The machine and the software, for the record."""
    cuda = args.device.startswith("cuda")
    return {
        "device": torch.cuda.get_device_name(args.device)
        if cuda
        else platform.processor() or "CPU",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "agn_d2": agn_d2.__version__,
        "layout": args.layout,
        "clock": args.clock,
        "rounds": args.repeats,
    }


@command_line_tool
def main() -> None:
    args = parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.layout == "auto":
        args.layout = "contiguous" if args.device.startswith("cuda") else "channels_last"
    if args.json:
        check_writable(args.json)
    machine, rows = describe(args), []
    print("  ".join(f"{key}: {value}" for key, value in machine.items()), flush=True)
    for config_file, size in itertools.product(args.config_file, args.sizes):
        cfg = make_cfg(args, config_file)
        subjects = build_subjects(cfg, size, channels_last=args.layout == "channels_last")
        if args.no_single:
            subjects = [subject for subject in subjects if subject.name != ONE_AT_A_TIME]
        for precision in args.precision:
            rows += measure(args, Path(config_file).stem, size, subjects, precision)
            print(markdown_table(rows[-len(subjects) * len(args.modes) :]), flush=True)
    print(f"\n{markdown_table(rows)}")
    if args.json:
        write_json(args.json, {"machine": machine, "rows": list(map(asdict, rows))})


if __name__ == "__main__":
    sys.exit(main())
