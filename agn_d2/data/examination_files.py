"""Files sorted into examinations by their headers and names."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from ..dicom.acceptance import UnknownView, Wishes, reason_to_leave_out, view_of
from ..dicom.faults import NoPicture
from ..dicom.header import Header, read_header
from ..dicom.reader import has_dicom_suffix, has_mark
from ..dicom.tone import Tone
from ..images import IMAGE_SUFFIXES
from ..utils.walk import files_below
from .examination import (
    Candidate,
    Examination,
    ExaminationFiles,
    LeftOut,
    rank_of,
    reason_of,
)
from .file_names import parse_name

Source = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
_NOT_IMAGES = ("DICOMDIR",)


def read_examination(
    source: Source, *, tone: Tone | None = None, wishes: Wishes | None = None
) -> Examination:
    """Read the mammograms of one examination.

        examination = agn_d2.read_examination("folder")
        found = predictor(examination)

    DICOM files are told apart by their headers, whatever their names. PNG, JPEG and TIFF files are
    named ``<case>_<LEFT|RIGHT>_<CC|MLO>.png``. Of several images of a view one is taken: one for
    presentation rather than for processing, a film rather than a synthetic 2D view, a whole breast
    rather than a part or an additional view of it, then the larger one, then the later one.

    Args:
        source: a folder, read with its subfolders, or files.
        tone: how the gray values of DICOM files are made; that of the model's config, see
            ``INPUT.DICOM_TONE``. None: its default.
        wishes: what is taken though it is left out by default.

    Returns:
        the examination; its ``left_out`` says what was not taken.

    Raises:
        FileNotFoundError: no such file or folder.
        ValueError: no image, no view that can be read, or files of several patients or studies.
    """
    examinations, strays = find_examinations(source, wishes)
    usable = [one for one in examinations if one.candidates]
    if len(usable) > 1:
        shown = ", ".join(one.paths[0] for one in usable[:5])
        raise ValueError(
            f"files of {len(usable)} patients or studies, {shown} among them, one each; give the "
            "files of one, or all of them to agn_d2.data.find_examinations or tools/predict.py"
        )
    others = strays + left_out_alone(examinations)
    if not usable:
        raise no_view(others)
    usable[0].left_out += others
    return usable[0].read(tone)


def left_out_alone(examinations: Iterable[ExaminationFiles]) -> list[LeftOut]:
    """The files of examinations without a usable view, which no reading of them tells of."""
    return [left for one in examinations if not one.candidates for left in one.left_out]


def no_view(left_out: Sequence[LeftOut]) -> ValueError:
    """The error where no file shows a usable view; it says of the first ones why."""
    reasons = "; ".join(map(str, left_out[:5]))
    return ValueError(f"no view of an examination among the files ({reasons})")


def find_examinations(
    source: Source, wishes: Wishes | None = None, *, skip: Path | None = None
) -> tuple[list[ExaminationFiles], list[LeftOut]]:
    """Sort files into examinations by their headers and names; no pixels are read.

    Args:
        source: a folder, read with its subfolders, or files.
        wishes: what is taken though it is left out by default.
        skip: a folder below the source that is passed over, such as that of the results.

    Returns:
        the examinations in the order of their first files, those without a usable view too; and
        the files of no examination: damaged ones, and DICOM objects that are no images.

    Raises:
        FileNotFoundError: no such file or folder.
        ValueError: no images at all.
    """
    wishes = wishes or Wishes()
    groups: dict[tuple, ExaminationFiles] = {}
    marks: dict[tuple, list[str]] = {}
    strays: list[LeftOut] = []

    def note(error: OSError) -> None:
        strays.append(LeftOut(str(error.filename), f"cannot be listed: {error.strerror}", True))

    paths = list_files(source, skip=skip, on_error=note)
    for path in tqdm(paths, disable=None, unit="file", leave=False):
        try:
            if has_dicom_suffix(path) or has_mark(path):
                header = read_header(path)
                group = _group_of(path, header)
                marks.setdefault(group, []).append(header.identity.sop_uid or path)
                one = groups.setdefault(group, ExaminationFiles(""))
                _sort_in(one, path, header, wishes)
            else:
                case, side, view = parse_name(path)
                group = ("file", str(Path(path).parent), case)
                one = groups.setdefault(group, ExaminationFiles(""))
                size = os.path.getsize(path)
                candidate = Candidate(path, (side, view), None, (size,))
                one.candidates.setdefault((side, view), []).append(candidate)
        except (OSError, ValueError) as error:
            bad = not isinstance(error, NoPicture)
            strays.append(LeftOut(path, reason_of(path, error), bad))
    for one in groups.values():
        for candidates in one.candidates.values():
            candidates.sort(key=lambda c: c.rank, reverse=True)
    _name(groups, marks)
    return list(groups.values()), strays


def list_files(
    source: Source,
    *,
    skip: Path | None = None,
    on_error: Callable[[OSError], object] | None = None,
) -> list[str]:
    """The image files of a source, sorted; of a folder those alone, below it too.

    A file that cannot be read now may be one, and is among them.

    Args:
        source: a folder, or files.
        skip: a folder below the source that is passed over.
        on_error: told of a folder below that cannot be listed; None: the error is raised.

    Raises:
        FileNotFoundError: no such file or folder.
        OSError: nothing is found, and a folder cannot be listed.
        ValueError: a folder without images, or nothing at all.
    """
    given = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    paths: list[str] = []
    for path in map(Path, given):
        if path.is_dir():
            errors: list[OSError] = []
            inside = [p for p in files_below(path, errors.append, skip) if _may_be_image(p)]
            if errors and (on_error is None or not inside):
                raise errors[0]
            if not inside:
                raise ValueError(f"{path}: no images in this folder (DICOM, PNG, JPEG, TIFF)")
            for error in errors:
                on_error(error)
            paths += map(str, sorted(inside))
        elif path.is_file():
            paths.append(str(path))
        else:
            raise FileNotFoundError(f"{path}: no such file or folder")
    if not paths:
        raise ValueError("no files given")
    return list(dict.fromkeys(paths))


def _may_be_image(path: Path) -> bool:
    """Whether a file is an image by its suffix or its mark, or cannot be looked at now."""
    if path.name in _NOT_IMAGES:
        return False
    try:
        if not path.is_file():
            # A link to what is not there now, such as a file of a store that was not fetched.
            return path.is_symlink() and not path.exists()
        named = path.suffix.lower() in IMAGE_SUFFIXES or has_dicom_suffix(path)
        return named or has_mark(path)
    except OSError:
        return True


def _group_of(path: str, header: Header) -> tuple[str, str, str]:
    """What the images of an examination have in common; the folder, if they name nobody."""
    patient, study = header.identity.examination
    if not (patient or study):
        patient = str(Path(path).parent)
    return "dicom", patient, study


def _sort_in(one: ExaminationFiles, path: str, header: Header, wishes: Wishes) -> None:
    reason = reason_to_leave_out(header, wishes)
    if reason is not None:
        one.left_out.append(LeftOut(path, reason, False))
        return
    try:
        view = view_of(header, wishes)
    except UnknownView as error:
        one.left_out.append(LeftOut(path, str(error), True))
        return
    one.candidates.setdefault(view, []).append(Candidate(path, view, header, rank_of(header)))


def _name(groups: dict[tuple, ExaminationFiles], marks: dict[tuple, list[str]]) -> None:
    """Names that the images tell, no two alike, and that tell nothing of a patient's identity."""
    for group, one in groups.items():
        if group[0] == "file":
            one.name = group[2]
        else:
            one.name = "exam-" + _digest("\n".join(sorted(marks[group])), 12)
    counts = Counter(one.name for one in groups.values())
    for group, one in groups.items():
        if counts[one.name] > 1:  # the same case name in two folders
            one.name += f"-{_digest(group[1], 6)}"


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]
