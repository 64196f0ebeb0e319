"""The errors of the three packages, as their source raises and names them."""

import ast
import inspect
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import dicom_node.errors
import inference.errors
import storage.errors

Kinds = set[type[Exception]]

BASES = {"NodeError", "InferenceError", "StorageError"}


def every() -> Kinds:
    """List every concrete error."""
    return set(_BY_NAME.values())


def raised_in(names: Iterable[str]) -> Kinds:
    """List the errors that modules make, or all modules of packages."""
    return {
        _BY_NAME[name]
        for tree in _trees(names)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (name := ast.unparse(node.func).split(".")[-1]) in _BY_NAME
    }


def named_in(names: Iterable[str]) -> Kinds:
    """List the errors that modules mention: make, catch or look for."""
    return {
        _BY_NAME[name]
        for tree in _trees(names)
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
        and (name := ast.unparse(node).split(".")[-1]) in _BY_NAME
    }


def _trees(names: Iterable[str]) -> Iterator[ast.Module]:
    for name in names:
        spec = find_spec(name)
        assert spec is not None, f"there is no module {name}"
        file = Path(str(spec.origin))
        is_package = file.name == "__init__.py"
        for path in sorted(file.parent.rglob("*.py")) if is_package else [file]:
            yield ast.parse(path.read_text())


_BY_NAME = {
    kind.__name__: kind
    for module in (dicom_node.errors, inference.errors, storage.errors)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if kind.__module__ == module.__name__ and kind.__name__ not in BASES
}
