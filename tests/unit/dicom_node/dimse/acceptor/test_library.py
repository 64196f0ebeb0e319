"""pynetdicom's private names that the product uses, and that it uses no others."""

import ast
import inspect
import textwrap
from pathlib import Path

import pynetdicom
import pytest
from pynetdicom import _config, _globals
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dul import DULServiceProvider
from pynetdicom.transport import (
    AssociationServer,
    AssociationSocket,
    RequestHandler,
)

import dicom_node

PRODUCT = Path(dicom_node.__file__).parent
ACCEPTOR = PRODUCT / "dimse" / "acceptor"
SWITCHES = PRODUCT / "dimse" / "library.py"

USED = {
    ("association.py", Association): {
        "_dul_ready",
        "_is_paused",
        "_kill",
        "_reactor_checkpoint",
        "_run_reactor",
        "_serve_request",
    },
    ("association.py", AssociationSocket): {"_shutdown_socket"},
    ("association.py", DULServiceProvider): {"_idle_timer"},
    ("association.py", _globals): {"MODE_ACCEPTOR"},
    ("library.py", ApplicationEntity): {"_create_socket"},
    ("library.py", Association): {"_is_paused", "_reactor_checkpoint"},
    ("library.py", AssociationSocket): {"_is_connected", "_shutdown_socket"},
    ("listener.py", ApplicationEntity): {"_servers"},
    ("listener.py", Association): {"_server"},
    ("listener.py", AssociationServer): {"_handlers"},
    ("listener.py", RequestHandler): {"_create_association"},
    ("upper_layer.py", Association): {"_dul_ready"},
    ("upper_layer.py", AssociationSocket): {"_shutdown_socket"},
    ("upper_layer.py", DULServiceProvider): {
        "_decode_pdu",
        "_idle_timer",
        "_is_transport_event",
        "_kill_thread",
        "_process_recv_primitive",
        "_read_pdu_data",
        "_recv_pdu",
        "_run_loop_delay",
    },
}
"""(File, class or module of pynetdicom) -> private names.

The files are those of ``dimse/acceptor``, and ``dimse/library.py``.
"""

CLASSES = {
    ApplicationEntity,
    Association,
    AssociationServer,
    AssociationSocket,
    DIMSEServiceProvider,
    DULServiceProvider,
    RequestHandler,
}
"""What the acceptor inherits from or is handed by the library."""


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def names_in(tree: ast.AST) -> set[str]:
    """List private attributes and methods that a piece of source names."""
    nodes = list(ast.walk(tree))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    return {name for name in names if private(name)}


def own_names_in(tree: ast.AST) -> set[str]:
    """List private names of classes that inherit nothing from the library."""
    imported = {name.split(".")[-1] for name in imported_by(tree)}
    return {
        node.attr
        for own in ast.walk(tree)
        if isinstance(own, ast.ClassDef) and not bases_of(own) & imported
        for node in ast.walk(own)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"
    }


def bases_of(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(base).split(".")[-1] for base in node.bases}


def names_of(owner) -> set[str]:
    """List what a class of the library defines, or sets on itself."""
    if inspect.ismodule(owner):
        return set(vars(owner))
    names = set()
    for kind in owner.__mro__:
        if not kind.__module__.startswith("pynetdicom."):
            continue
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(kind)))):
            if isinstance(node, ast.FunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names |= {node.attr} if ast.unparse(node.value) == "self" else set()
    return names


def imported_by(tree: ast.AST) -> set[str]:
    """List everything of pynetdicom that a file imports, with its module's name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "pynetdicom"}


def is_private(path: str) -> bool:
    return any(private(part) for part in path.split("."))


FILES = {
    path: ast.parse(path.read_text())
    for path in sorted(PRODUCT.rglob("*.py"))
    if "pynetdicom" in path.read_text()
}
INSIDE = [*sorted(ACCEPTOR.glob("*.py")), SWITCHES]
OUTSIDE = [path for path in FILES if path.parent != ACCEPTOR]


def shown(path: Path) -> str:
    return str(path.relative_to(PRODUCT))


@pytest.mark.parametrize(
    ("file", "owner", "name"),
    [
        (file, owner, name)
        for (file, owner), names in USED.items()
        for name in sorted(names)
    ],
)
def test_this_release_has_every_private_name_that_is_used(file, owner, name):
    version, owns = pynetdicom.__version__, owner.__name__.split(".")[-1]
    message = f"pynetdicom {version} has no {owns}.{name}, which dimse: {file} "
    assert name in names_of(owner), message + "uses"


@pytest.mark.parametrize("switch", ["LOG_HANDLER_LEVEL", "STORE_SEND_CHUNKED_DATASET"])
def test_this_release_has_every_switch_that_is_set(switch):
    assert switch in SWITCHES.read_text()
    message = f"pynetdicom {pynetdicom.__version__} has no _config.{switch}"
    assert hasattr(_config, switch), f"{message}, which dimse/library.py sets"


@pytest.mark.parametrize("path", INSIDE, ids=shown)
def test_every_private_name_that_is_used_is_listed(path):
    tree = ast.parse(path.read_text())
    library = set().union(*(names_of(kind) for kind in CLASSES))
    listed = [names for (file, _), names in USED.items() if file == path.name]
    assert (names_in(tree) - own_names_in(tree)) & library <= set().union(*listed)


@pytest.mark.parametrize("path", OUTSIDE, ids=shown)
def test_no_file_outside_the_acceptor_imports_a_private_name(path):
    found = {name for name in imported_by(FILES[path]) if is_private(name)}
    assert found == ({"pynetdicom._config"} if path == SWITCHES else set())


@pytest.mark.parametrize("path", sorted({*OUTSIDE} - {*INSIDE}), ids=shown)
def test_no_file_outside_the_acceptor_inherits_from_the_library(path):
    # An heir could use the library's private names as its own.
    imported = {name.split(".")[-1] for name in imported_by(FILES[path])}
    for node in ast.walk(FILES[path]):
        if isinstance(node, ast.ClassDef):
            assert not bases_of(node) & imported


@pytest.mark.parametrize("path", OUTSIDE, ids=shown)
def test_no_file_outside_the_acceptor_may_use_private_attributes(path):
    # The linter forbids them (SLF001) where it is not told otherwise.
    assert "SLF001" not in path.read_text()
