"""Which model runs, and on what."""

from pathlib import Path

from dicom_node.node.settings.load import Settings
from inference.manifest import BUILTIN_MODELS, find_model
from inference.runners.onnx import OnnxModelRunner


def model_roots(settings: Settings) -> tuple[Path, ...]:
    """List where models are looked for, the site's own first."""
    own = (settings.model.folder,) if settings.model.folder else ()
    return (*own, BUILTIN_MODELS)


def make_runner(settings: Settings) -> OnnxModelRunner:
    """Make the runner of the configured model; not loaded yet."""
    section = settings.model
    folder = find_model(section.name, model_roots(settings))
    return OnnxModelRunner(folder, section.device, section.threads)
