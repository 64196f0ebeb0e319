"""Which model runs, and on what."""

from pathlib import Path

from dicom_node.node.settings.load import Settings
from inference.models import BUILTIN_MODELS, find_model
from inference.runners.onnx import OnnxModelRunner


def model_roots(settings: Settings) -> tuple[Path, ...]:
    """List where models are looked for, the site's own first."""
    own = (settings.model.folder,) if settings.model.folder else ()
    return (*own, BUILTIN_MODELS)


def model_folder(settings: Settings) -> Path:
    """Find the folder of the configured model; raises ModelNotFound."""
    return find_model(settings.model.name, model_roots(settings))


def make_runner(settings: Settings) -> OnnxModelRunner:
    """Make the runner of the configured model; not loaded yet."""
    section = settings.model
    return OnnxModelRunner(model_folder(settings), section.device, section.threads)
