#!/usr/bin/env python
"""Find masses in mammograms and write the boxes: JSON, CSV and a picture per examination.

    tools/predict.py --model NAME --images FOLDER_OR_FILES --output DIR
    tools/predict.py --config-file C.yaml --images FOLDER_OR_FILES --output DIR \\
        MODEL.WEIGHTS model.pth

DICOM files tell examination, side and view by their headers, whatever their names; PNG, JPEG and
TIFF files by names <case>_<LEFT|RIGHT>_<CC|MLO>.png. What cannot be read is reported, one line a
file, and the rest goes on; the exit status is 1 then. A second run takes up where the first one
ended. Formats: docs/predict.md. Nothing of a patient's identity is written, except with --identity,
and with --sr, as a DICOM SR carries the patient of its images.
"""

from __future__ import annotations

from agn_d2.utils.command_line import command_line_tool

# isort: split
import argparse
import hashlib
import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from detectron2.utils.file_io import PathManager
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

import agn_d2
from agn_d2.data.cases import Case
from agn_d2.data.examination import Examination, ExaminationFiles, LeftOut
from agn_d2.data.examination_files import find_examinations
from agn_d2.dicom.acceptance import Wishes
from agn_d2.dicom.report_sr import ReportedImage, check_highdicom, structured_report
from agn_d2.engine.examination_results import examination_record, write_results
from agn_d2.engine.setup import (
    add_model_arguments,
    image_source,
    load_model_cfg,
    number_of_classes,
    score,
)
from agn_d2.utils.files import clear_parts, write_atomically
from agn_d2.utils.read_ahead import read_ahead
from agn_d2.visualization.examination_figure import examination_figure
from agn_d2.visualization.figure_files import write_figure

logger = logging.getLogger("predict")

# Seconds after which a file that is still half written is one of a killed run. Other runs may
# write to the same folder, such as one per GPU.
IDLE = 600.0


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model_arguments(parser)
    parser.add_argument(
        "--images", type=image_source, nargs="+", required=True, help="folders or files"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument(
        "--min-score", type=score, default=0.05, help="least score that is written (%(default)s)"
    )
    parser.add_argument(
        "--score", type=score, default=0.3, help="least score that is drawn (%(default)s)"
    )
    parser.add_argument("--no-pictures", action="store_true")
    parser.add_argument("--sr", action="store_true", help="a DICOM SR too (package highdicom)")
    parser.add_argument(
        "--explain", action="store_true", help="write what each detection read in the other views"
    )
    parser.add_argument("--identity", action="store_true", help="patient's ID and UIDs in the JSON")
    parser.add_argument("--ml-as-mlo", action="store_true", help="take ML and LM views for MLO")
    parser.add_argument("--for-processing", action="store_true", help="take such images too")
    parser.add_argument("--bits", type=int, help="bit depth of images that are not DICOM")
    parser.add_argument("--workers", type=int, default=1, help="threads that read ahead")
    parser.add_argument("opts", nargs=argparse.REMAINDER, help="KEY VALUE overrides")
    return parser.parse_args(argv)


class ReadExamination(NamedTuple):
    """What is known of an examination before the model sees it; ``inputs`` tells its files."""

    examination: Examination
    case: Case
    keys: list[str]
    inputs: str


class Run:
    """One call of the program: the model, what it writes, and whether all files were read."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.predictor = agn_d2.Predictor(load_model_cfg(args))
        if args.explain:
            self.predictor.check_explains()
        _, self.num_classes = number_of_classes(self.predictor.cfg)
        if args.sr and self.num_classes > 1:
            raise ValueError(
                f"--sr: a structured report calls every finding a mass, but the model has "
                f"{self.num_classes} classes"
            )
        self.settings = _settings(args, self.predictor)
        self.complete = True

    def fails(self, what: object) -> None:
        self.complete = False
        logger.warning("not read: %s", what)

    def leaves_out(self, one: LeftOut) -> None:
        if one.bad:
            self.fails(one)
        else:
            logger.info("left out: %s", one)

    def is_done(self, files: ExaminationFiles) -> bool:
        """Whether an earlier run has written the results of these files with these settings."""
        try:
            record = json.loads(self._path(files.name, "json").read_text(encoding="utf-8"))
            inputs = _fingerprint(files)
        except (OSError, ValueError):
            return False
        if not isinstance(record, dict) or record.get("run") != self.settings | {"inputs": inputs}:
            return False
        # What could not be read may be readable now, as on a network drive. What is damaged stays
        # so until the file changes, which the fingerprint tells; it is spoken of again.
        if any(one.get("later", one["bad"]) for one in record["left_out"]):
            return False
        for one in record["left_out"]:
            if one["bad"]:
                self.fails(f"{one['file']}: {one['reason']}")
        return True

    def read(self, files: ExaminationFiles) -> ReadExamination:
        # Before the pixels: what changes meanwhile, as while it is copied, is for the next run.
        inputs = _fingerprint(files)
        examination = files.read(self.predictor.tone)
        bits = {k: self.args.bits for k, i in examination.images.items() if i.header is None}
        case, keys = self.predictor.read(examination, bits=bits if self.args.bits else None)
        return ReadExamination(examination, case, keys, inputs)

    def write(self, files: ExaminationFiles, read: ReadExamination) -> None:
        args, examination = self.args, read.examination
        record = examination_record(
            examination,
            read.case,
            self.predictor.detect(read.case, read.keys, explain=args.explain),
            min_score=args.min_score,
            roots=[path for path in args.images if path.is_dir()],
            reads_others=self.predictor.reads_other_views,
            identity=args.identity,
            num_classes=self.num_classes,
        )
        self.complete &= not any(one.bad for one in examination.left_out)
        # What an earlier run has left is of other settings or files. The JSON file goes first:
        # where it is, everything is.
        for suffix in ("json", "png", "sr.dcm"):
            self._path(files.name, suffix).unlink(missing_ok=True)
        if not args.no_pictures:
            figure = examination_figure(examination, record, min_score=args.score, bits=args.bits)
            write_figure(figure, self._path(files.name, "png"), dpi=100)
        run = self.settings | {"inputs": read.inputs}
        if args.sr and not self._write_sr(examination, record):
            run["sr"] = False
        write_results(record | {"run": run}, args.output / files.name)

    def _write_sr(self, examination: Examination, record: dict[str, Any]) -> bool:
        """Whether there is nothing left to do: False where no report can be made."""
        images = [
            ReportedImage(image.path, image.laterality, entry["detections"])
            for image, entry in zip(examination.images.values(), record["images"], strict=True)
            if image.header is not None
        ]
        if not images:
            logger.warning("%s: no DICOM images, so no SR", examination.name)
            return True
        try:
            report = structured_report(
                images, version=agn_d2.__version__, model=self.settings["weights"]
            )
        except ValueError as error:
            self.complete = False
            logger.warning("%s: no SR: %s", examination.name, error)
            return False
        content = io.BytesIO()
        report.save_as(content)
        write_atomically(self._path(examination.name, "sr.dcm"), content.getvalue())
        return True

    def _path(self, name: str, suffix: str) -> Path:
        return self.args.output / f"{name}.{suffix}"


def _settings(args: argparse.Namespace, predictor: agn_d2.Predictor) -> dict[str, Any]:
    """What decides the results, beside the files."""
    weights, relation = predictor.cfg.MODEL.WEIGHTS, predictor.cfg.MODEL.CROSS_VIEW.RELATION
    names = [
        "min_score",
        "score",
        "no_pictures",
        "sr",
        "explain",
        "identity",
        "ml_as_mlo",
        "for_processing",
        "bits",
    ]
    config = hashlib.sha256(predictor.cfg.dump().encode()).hexdigest()
    return {
        "version": agn_d2.__version__,
        "weights": Path(weights).name,
        "weights_sha256": _digest_of(weights),
        "config_sha256": config,
        "dicom_tone": [predictor.tone.kind, predictor.tone.voi],
        **({"relation_sha256": _digest_of(relation)} if relation else {}),
    } | {name: getattr(args, name) for name in names}


def _digest_of(path: str) -> str:
    return hashlib.sha256(Path(PathManager.get_local_path(path)).read_bytes()).hexdigest()


def _fingerprint(files: ExaminationFiles) -> str:
    """Changes where a file of the examination does."""
    stamps = [(path, Path(path).stat()) for path in sorted(files.paths)]
    text = json.dumps([(Path(path).name, stat.st_size, stat.st_mtime_ns) for path, stat in stamps])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def to_do(run: Run, found: list[ExaminationFiles]) -> Iterator[ExaminationFiles]:
    """The examinations that are not done yet; those without a usable view are spoken of."""
    for files in found:
        if not files.candidates:
            for one in files.left_out:
                run.leaves_out(one)
        elif not run.is_done(files):
            yield files


@command_line_tool
def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for name in ("predict", "agn_d2.data"):
        logging.getLogger(name).setLevel(logging.INFO)
    if args.sr:
        check_highdicom()
    wishes = Wishes(args.ml_as_mlo, args.for_processing)
    found, strays = find_examinations(args.images, wishes, skip=args.output)
    run = Run(args)
    args.output.mkdir(parents=True, exist_ok=True)
    clear_parts(args.output, idle=IDLE)
    with logging_redirect_tqdm():
        for one in strays:
            run.leaves_out(one)
        new = list(to_do(run, found))
        predicted = 0
        bar = tqdm(total=len(new), disable=None, unit="examination")
        for files, outcome in read_ahead(run.read, new, args.workers):
            try:
                read = outcome.result()
            except (OSError, ValueError) as error:
                run.fails(error)
            else:
                run.write(files, read)
                predicted += 1
            bar.update()
        bar.close()
    done = sum(1 for files in found if files.candidates) - len(new)
    print(f"{predicted} examinations predicted, {done} were done before: {args.output}")
    return 0 if run.complete else 1


if __name__ == "__main__":
    sys.exit(main())
