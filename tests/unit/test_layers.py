"""The contract on imports in pyproject.toml covers everything, the two single files included."""

import ast
import tomllib

import pytest

from ops.servers.software import ROOT

_CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
LAYERS = [layer.split(" | ") for layer in _CONFIG["contracts"][0]["layers"]]
OURS = {name for layer in LAYERS for name in layer}


def imported(path: str) -> set[str]:
    """Return the packages and modules of ours that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names} & OURS


def test_every_package_and_module_has_its_layer() -> None:
    """A new package is in the contract, or nothing would hold it."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    modules = {path.stem for path in ROOT.glob("*.py")}
    assert packages | modules == OURS
    assert packages == set(_CONFIG["root_packages"])


@pytest.mark.parametrize("module", ["dataflow", "settings"])
def test_single_files_import_downwards_only(module: str) -> None:
    """`lint-imports` reads packages alone."""
    layer = LAYERS.index([module])
    below = {name for names in LAYERS[layer + 1 :] for name in names}
    assert imported(f"{module}.py") <= below
