"""Where models are: folders by name, and whether one holds what its manifest means.

The folder of the same name beside this module holds the models that come with the
package; it is no package, so that the name means this module.
"""

import difflib
import hashlib
from collections.abc import Sequence
from pathlib import Path

from inference.errors import DigestMismatch, ModelNotFound
from inference.manifest import FILE_NAME, MODEL_NAME, ModelManifest
from inference.tasks.table import task_of

BUILTIN_MODELS = Path(__file__).resolve().parent / "models"


def sha256_of(path: Path) -> str:
    """Digest of a file, lower-case hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verify(folder: Path, manifest: ModelManifest) -> None:
    """Check that a task reads such a model, and that its file is the one meant.

    Raises
    ------
    ManifestInvalid
        There is no such task, or the model does not fit it.
    ModelNotFound
        The file is missing.
    DigestMismatch
        It is another file.
    """
    task_of(manifest)
    path = folder / manifest.file
    try:
        found = sha256_of(path)
    except OSError as error:
        raise ModelNotFound(f"{path} cannot be read: {error.strerror}") from error
    if found != manifest.sha256:
        raise DigestMismatch(
            f"{path} has SHA-256 {found}, its manifest says {manifest.sha256}"
        )


def find_model(name: str, search: Sequence[Path] = (BUILTIN_MODELS,)) -> Path:
    """Folder of the model of that name; earlier roots win.

    Raises
    ------
    ModelNotFound
        None of the roots has it; the message lists those at hand.
    """
    if MODEL_NAME.fullmatch(name):
        for root in search:
            if (root / name / FILE_NAME).is_file():
                return root / name
    names = [path.name for path in model_folders(search)]
    close = difflib.get_close_matches(name, names, n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    known = ", ".join(names) or "none"
    raise ModelNotFound(f"no model named {name!r}; {meant}at hand: {known}")


def model_folders(search: Sequence[Path] = (BUILTIN_MODELS,)) -> list[Path]:
    """Every model folder under the roots, by name."""
    found = {
        path.parent.name: path.parent
        for root in reversed(search)
        for path in root.glob(f"*/{FILE_NAME}")
    }
    return [found[name] for name in sorted(found)]
