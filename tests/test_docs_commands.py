"""The commands of the documentation: programs, options, configs and keys that exist."""

import argparse
import importlib.util
import re
import shlex
import sys
from pathlib import Path

import pytest

from agn_d2.engine.setup import load_cfg

from .test_docs import PAGES, ROOT

PROGRAM = re.compile(r"(?:tools|datasets|projects/\w+)/\w+\.py")
OPTIONAL = re.compile(r"\[(-[^\]]*|KEY VALUE[^\]]*)\]")
KEY = re.compile(r"[A-Z][A-Z0-9_]*(\.[A-Z0-9_]+)+")


class Parsed(BaseException):
    """Carries the parser of a program out of its main."""


def commands_of(page: Path) -> list[str]:
    """Commands in the indented blocks of a page, their lines joined."""
    text = re.sub(r"\\\n\s*", " ", page.read_text())
    found = []
    for line in re.findall(r"^ {4,}(.*)$", text, re.MULTILINE):
        start = PROGRAM.search(line)
        before = line[: start.start()].split() if start else []
        # The program comes first, or behind variables and the interpreter; else it is prose.
        if start and all("=" in word or "python" in word or word == "do" for word in before):
            command = re.split(r" >>? |; |\)$", line[start.start() :])[0]
            if line[: start.start()].endswith('"'):
                command = command.partition('"')[0]
            found.append(OPTIONAL.sub(r"\1", command))
    # Three dots stand for what a reader has seen before.
    return [command for command in found if "..." not in command.split()]


def parser_of(program: str, monkeypatch: pytest.MonkeyPatch) -> argparse.ArgumentParser:
    """The parser that a program builds for its command line."""

    def carry(self, *args, **kwargs):
        raise Parsed(self)

    name = f"documented_{program.replace('/', '_').removesuffix('.py')}"
    path = ROOT / program
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", [program])
        patch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        patch.setattr(argparse.ArgumentParser, "parse_args", carry)
        try:
            module.main()
        except Parsed as parsed:
            return parsed.args[0]
    raise AssertionError(f"{program} parses no arguments")


def faults_of(command: str, parser: argparse.ArgumentParser, capsys) -> list[str]:
    """What is wrong with a documented command."""
    words = shlex.split(command, comments=True)[1:]
    try:
        parser.parse_args(words)
    except SystemExit as stop:
        # --help stops as well, with 0.
        if stop.code:
            return [capsys.readouterr().err.strip().splitlines()[-1]]
    faults = []
    for option, value in zip(words, words[1:], strict=False):
        if option == "--config-file" and value.startswith("configs/"):
            faults += [] if (ROOT / value).is_file() else [f"no config {value}"]
    return faults + faults_of_pairs(words)


def faults_of_pairs(words: list[str]) -> list[str]:
    """KEY VALUE pairs among words that the config refuses: unknown keys, values of other types."""
    known, faults = load_cfg(None), []
    for key, value in zip(words, [*words[1:], ""], strict=True):
        # The project DETR adds keys of its own.
        if not KEY.fullmatch(key) or key.startswith("MODEL.DETR"):
            continue
        try:
            # A variable of the shell stands for any value.
            load_cfg(None, [key, str(value_of(known, key)) if "$" in value else value])
        except (AttributeError, KeyError, AssertionError, ValueError) as error:
            faults.append(f"{key} {value}: {error}")
    return faults


def value_of(cfg, key: str):
    for part in key.split("."):
        cfg = cfg[part]
    return cfg


COMMANDS = sorted(
    {(PROGRAM.match(c)[0], c, page) for page in PAGES for c in commands_of(ROOT / page)}
)


@pytest.mark.parametrize("program", sorted({program for program, _, _ in COMMANDS}))
def test_documented_commands_are_understood(program, monkeypatch, capsys):
    parser = parser_of(program, monkeypatch)
    faults = {}
    for name, command, page in COMMANDS:
        if name == program and (found := faults_of(command, parser, capsys)):
            faults[f"{page}: {command}"] = found
    assert faults == {}


def test_wrong_commands_are_found(monkeypatch, capsys):
    parser = parser_of("tools/train_net.py", monkeypatch)
    good = "tools/train_net.py --config-file configs/agrcnn_R50_FPN.yaml SOLVER.MAX_ITER 3"
    assert faults_of(good, parser, capsys) == []
    (fault,) = faults_of(good.replace("--config-file", "--configs"), parser, capsys)
    assert "unrecognized arguments" in fault or "expected" in fault
    assert faults_of(good.replace("R50", "R51"), parser, capsys) == [
        "no config configs/agrcnn_R51_FPN.yaml"
    ]
    (fault,) = faults_of(good.replace("MAX_ITER", "MAX_ITERS"), parser, capsys)
    assert fault.startswith("SOLVER.MAX_ITERS")
    (fault,) = faults_of(good.replace("MAX_ITER 3", "MAX_ITER 3.5"), parser, capsys)
    assert fault.startswith("SOLVER.MAX_ITER 3.5: config: Type mismatch")


CODE = re.compile(r"`([^`\n]+)`|^ {4,}(.*)$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_pairs_that_are_named_are_understood(page):
    """Also those that stand in the text, or in a block by themselves."""
    faults = []
    for match in CODE.finditer(re.sub(r"\\\n\s*", " ", (ROOT / page).read_text())):
        code = match[1] or match[2]
        if re.match(rf"{KEY.pattern} \S", code):
            # A single quote mark ends a variable of the shell.
            faults += faults_of_pairs(shlex.split(code.removesuffix('"' * (code.count('"') % 2))))
    assert faults == []


SECTIONS = ("MODEL", "INPUT", "SOLVER", "TEST", "DATALOADER", "DATASETS")


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_keys_that_are_named_exist(page):
    known = load_cfg(None)
    text = (ROOT / page).read_text()
    unknown = []
    for match in KEY.finditer(text):
        # A star stands for several keys; the project DETR adds keys of its own.
        named = match[0].split(".")
        if named[0] not in SECTIONS or "DETR" in named or text[match.end() :][:1] == "*":
            continue
        try:
            value_of(known, match[0])
        except (KeyError, AttributeError):
            unknown.append(match[0])
    assert unknown == []
