"""Documents and code agree: error messages, tests, files, commands, settings, and the words."""

import argparse
import ast
import importlib
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from ops.__main__ import COMMANDS
from ops.servers.software import ROOT
from process.errors import RESTART_HELPS, ExitCode
from settings import KAFKA_CONFIG_PREFIX, Settings, variable_of

DOCUMENTS = sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
TROUBLESHOOTING = "docs/troubleshooting.md"
VARIES = "…"
PRIVATE_WORDS = (
    r"leader.boards?",
    r"visitors?",
    r"patien(t|ce)",
    r"(some|no)body",
    r"is no (visit|JSON|integer)",
    r"cuts?",
    r"(is|are|be|was|were) away",
    r"claim(s|ed|ing)?",
    r"(go|goes|going|went) on",
    r"ask(s|ed|ing)?",
    r"hears?|heard",
    r"says?|said",
    r"wants?",
    r"odd(ity|ities)|decks?",
)
"""Words that a Kafka, Bytewax or database engineer would not use, or not in our sense of them."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


@cache
def modules() -> dict[Path, ast.Module]:
    """Return the project's own modules, parsed; neither tests nor anything installed."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "tests"))]
    paths = [*ROOT.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}


class Messages:
    """The error messages of one function, as templates: what is known from the code alone, and … for what varies."""

    def __init__(self, module: ast.Module, function: Function) -> None:
        self._module = module
        self._function = function

    def fatal(self) -> Iterator[tuple[ExitCode, str]]:
        """Yield the code and the message of every Fatal that the function creates."""
        for node in ast.walk(self._function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Fatal":
                message, code = node.args
                assert isinstance(code, ast.Attribute), f"line {node.lineno}: name the code beside the message"
                yield ExitCode[code.attr], self._template(message)

    def returned(self) -> str:
        """Return the template of what the function returns."""
        (returns,) = (node for node in ast.walk(self._function) if isinstance(node, ast.Return))
        assert returns.value is not None
        return self._template(returns.value)

    def _template(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.JoinedStr):
            return re.sub(f"{VARIES}+", VARIES, "".join(map(self._template, node.values)))
        if isinstance(node, ast.FormattedValue) and node.format_spec is None:
            return self._template(node.value)
        if isinstance(node, ast.Name):
            return self._assigned(node)
        if isinstance(node, ast.Call) and (function := self._message_function(node.func)):
            return Messages(*function).returned()
        return VARIES

    def _assigned(self, name: ast.Name) -> str:
        """Return the template of the last value that the name was given before."""
        values = [
            node.value
            for node in (*ast.walk(self._function), *self._module.body)
            if isinstance(node, ast.Assign)
            and [target.id for target in node.targets if isinstance(target, ast.Name)] == [name.id]
            and node.lineno < name.lineno
        ]
        return self._template(max(values, key=lambda value: value.lineno)) if values else VARIES

    def _message_function(self, called: ast.expr) -> tuple[ast.Module, Function] | None:
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if not name.endswith("_message"):
            return None
        here_first = [self._module, *modules().values()]
        return next((module, each) for module in here_first for each in functions(module) if each.name == name)


def functions(module: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(module) if isinstance(node, Function))


@cache
def messages_in_the_code() -> frozenset[tuple[ExitCode, str]]:
    found = {
        message
        for module in modules().values()
        for each in functions(module)
        for message in Messages(module, each).fatal()
    }
    return frozenset(found)


def messages_documented() -> list[tuple[ExitCode, str]]:
    """Return the messages of docs/troubleshooting.md: below a heading with the code, one in backquotes each."""
    listed = []
    code = None
    for line in text_of(TROUBLESHOOTING).splitlines():
        if line.startswith("#"):
            heading = re.match(r"## (\d+)\b", line)
            code = ExitCode(int(heading[1])) if heading else code
        elif code and (entry := re.match(r"- `(.+?)`$", line)):
            listed.append((code, entry[1]))
    return listed


def described(message: tuple[ExitCode, str]) -> str:
    return f"{message[0]:d} {message[1]}"


def test_every_fatal_message_is_documented_below_its_code() -> None:
    """Every message can be looked up, with its cause and its cure; … stands for what varies."""
    missing = messages_in_the_code() - set(messages_documented())
    assert not missing, "\n".join(sorted(map(described, missing)))


def test_every_documented_message_is_in_the_code() -> None:
    """Nothing is explained that cannot occur, and nothing twice."""
    listed = messages_documented()
    gone = set(listed) - messages_in_the_code()
    assert not gone, "\n".join(sorted(map(described, gone)))
    assert len(listed) == len(set(listed))


def test_every_promise_names_its_test() -> None:
    """Seven promises in the README, a test for each."""
    rows = re.findall(r"^\| (\d) \|.*\| (`tests/.*`) \|$", text_of("README.md"), re.MULTILINE)
    assert [number for number, _ in rows] == list("1234567")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_is_named_exists(document: str) -> None:
    """As pytest names them: file::function, or the file alone."""
    for path, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text_of(document)):
        module = ast.parse(text_of(path))
        assert not name or name in {each.name for each in functions(module)}, f"{path}::{name}"


def anchors_of(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    """To a file that exists, and to a heading in it."""
    here = ROOT / document
    for target in re.findall(r"\]\((?!https://)([^)]+)\)", here.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        found = (here.parent / path).resolve() if path else here
        assert found.exists(), target
        assert not anchor or anchor in anchors_of(found), target


def test_the_layout_exists() -> None:
    """The README lists the code in reading order."""
    section = text_of("README.md").split("## Reading the code")[1]
    listed = re.findall(r"^    (\S+)  ", section, re.MULTILINE)
    assert listed[0] == "dataflow.py"
    assert len(listed) > 10
    assert [path for path in listed if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", ["README.md", "docs/architecture.md"])
def test_every_file_of_the_flow_is_on_the_map(document: str) -> None:
    """The README's list and the picture in docs/architecture.md leave out no file."""
    packages = ("operators", "sources", "sinks", "partition", "clients", "process")
    files = ["dataflow.py", "settings.py", "clients/sql/"]
    for package in packages:
        paths = (path for path in (ROOT / package).glob("*.py") if path.name != "__init__.py")
        files += [path.relative_to(ROOT).as_posix() for path in paths]
    named = set(re.findall(r"[\w/]+(?:\.py\b|/(?!\w))", text_of(document)))
    assert [path for path in files if path not in named] == []


def test_every_file_in_the_picture_exists() -> None:
    """docs/architecture.md."""
    named = set(re.findall(r"(?<!\S)[a-z]+/\w+\.py\b", text_of("docs/architecture.md")))
    assert len(named) > 25
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_decision_is_linked() -> None:
    """From the README, in order."""
    linked = re.findall(r"\((docs/decisions/[\w-]+\.md)\)", text_of("README.md"))
    assert linked == [path for path in DOCUMENTS if path.startswith("docs/decisions/")]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_words_are_the_fields(document: str) -> None:
    """Plain terms of this field, no language of our own."""
    private = re.compile(rf"\b(?:{'|'.join(PRIVATE_WORDS)})\b", re.IGNORECASE)
    found = [
        f"{number}: {match[0]}"
        for number, line in enumerate(text_of(document).splitlines(), 1)
        for match in private.finditer(re.sub(r"`tests/[^`]*`", "", line))
    ]
    assert found == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_exists(document: str) -> None:
    """Modules, commands of ops with their options, and targets of make."""
    text = text_of(document)
    for module in re.findall(r"python -m (\w[\w.]*)", text):
        assert importlib.util.find_spec(module.rstrip(".")), module
    for command, options in re.findall(r"python -m ops (\w+)([^`\n]*)", text):
        assert command in COMMANDS
        offered = options_of(command)
        assert [name for name in re.findall(r"(?<=\s)--?[a-z-]+", options) if name not in offered] == []
    targets = re.findall(r"^(\w+):", text_of("Makefile"), re.MULTILINE)
    assert set(re.findall(r"(?:^|`)(?:\w+=\d+ )?make (\w+)", text, re.MULTILINE)) <= set(targets)


def options_of(command: str) -> set[str]:
    """Return the options of a command of ops, those of its own commands too."""
    parsers = [argparse.ArgumentParser()]
    importlib.import_module(f"ops.{command}").add_arguments(parsers[0])
    for action in parsers[0]._actions:
        if isinstance(action.choices, dict):
            parsers += action.choices.values()
    return {option for parser in parsers for action in parser._actions for option in action.option_strings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_setting_exists(document: str) -> None:
    """No variable is misspelt."""
    ours = {variable_of(spec) for spec in fields(Settings)} | {"MARIADB_ROOT_PASSWORD"}  # the last is compose.yaml's
    for name in re.findall(r"\b(?:KAFKA|MARIADB|BOARD|VISITS|CARTS|REJECTED)_[A-Z_]*[A-Z]\b", text_of(document)):
        assert name in ours or name.startswith(KAFKA_CONFIG_PREFIX) or f"{name}_" == KAFKA_CONFIG_PREFIX, name


def test_the_readmes_defaults_are_those_of_settings() -> None:
    """The table of the most used settings."""
    defaults = {variable_of(spec): spec.default for spec in fields(Settings)}
    rows = re.findall(r"^\| `([A-Z_]+)` \| (?:`(.*?)`)? ?\|", text_of("README.md"), re.MULTILINE)
    assert len(rows) > 10
    for name, listed in rows:
        default = defaults[name]
        if isinstance(default, tuple):
            default = ",".join(map(str, default))
        assert listed == ("" if default is None else str(int(default) if isinstance(default, bool) else default)), name


def test_every_exit_code_is_in_the_readme() -> None:
    """With whether a restart helps."""
    section = text_of("README.md").split("## Exit codes")[1]
    rows = dict(re.findall(r"^\| (\d+) \| .* \| (.*?) ?\|$", section, re.MULTILINE))
    assert rows.keys() == {"0", "2", *(str(int(code)) for code in ExitCode)}
    for code in ExitCode:
        assert rows[str(int(code))].startswith("yes") == (code in RESTART_HELPS)
