"""highdicom's private names: ``evidence/check/standard.py`` alone uses any.

A release that lacks one is named here first, before a hospital's result is.
"""

import ast
from importlib import import_module
from pathlib import Path

import highdicom
import pytest

HOUSE = Path(__file__).parents[4]
ALONE = Path("dicom_node/evidence/check/standard.py")
NAMES = ("get_iod_module_map", "get_module_attribute_map", "get_sop_class_iod_map")


@pytest.mark.parametrize("name", NAMES)
def test_highdicom_has_each_private_name_that_is_used(name):
    lacks = f"highdicom {highdicom.__version__} lacks _standard_utils.{name}"
    try:
        module = import_module("highdicom._standard_utils")
    except ImportError:
        pytest.fail(lacks)
    assert hasattr(module, name), lacks
    assert getattr(module, name)(), f"{lacks}'s table"


def test_no_other_file_uses_a_private_name_of_highdicom():
    found = {
        path.relative_to(HOUSE): names
        for folder in ("dicom_node", "inference", "storage")
        for path in (HOUSE / folder).rglob("*.py")
        if (names := private_names(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert found == {ALONE: set(NAMES)}


def private_names(tree):
    """What a module imports from private modules of highdicom, or reads as private."""
    library, names = {"highdicom"}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "highdicom":
                    library.add(alias.asname or "highdicom")
                    names |= {part for part in alias.name.split(".") if part[0] == "_"}
        elif isinstance(node, ast.ImportFrom):
            path = (node.module or "").split(".")
            if path[0] == "highdicom":
                imported = {alias.name for alias in node.names}
                hidden = any(part.startswith("_") for part in path)
                names |= {one for one in imported if hidden or one.startswith("_")}
                library |= {alias.asname or alias.name for alias in node.names}
    return names | {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and isinstance(node.value, ast.Name)
        and node.value.id in library
    }
