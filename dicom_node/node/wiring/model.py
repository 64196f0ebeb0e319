"""Which model runs, and on what."""

import ssl
from pathlib import Path

from dicom_node.errors import SettingsInvalid
from dicom_node.node.settings.load import Settings
from dicom_node.node.settings.model import EngineSection
from inference.models import BUILTIN_MODELS, find_model
from inference.runners.engine import EnginePlace
from inference.runners.onnx import OnnxModelRunner
from inference.runners.remote import RemoteModelRunner
from inference.runners.runner import ModelRunner


def model_roots(settings: Settings) -> tuple[Path, ...]:
    """List where models are looked for, the site's own first."""
    own = (settings.model.folder,) if settings.model.folder else ()
    return (*own, BUILTIN_MODELS)


def model_folder(settings: Settings) -> Path:
    """Find the folder of the configured model; raises ModelNotFound."""
    return find_model(settings.model.name, model_roots(settings))


def make_runner(settings: Settings) -> ModelRunner:
    """Make the runner of the configured model; not loaded yet."""
    section = settings.model
    if section.runner == "remote":
        return RemoteModelRunner(model_folder(settings), engines(section.remote))
    return OnnxModelRunner(model_folder(settings), section.device, section.threads)


def engines(section: EngineSection) -> EnginePlace:
    """Say where the engines are; raises SettingsInvalid for what cannot be read."""
    try:
        context = ssl.create_default_context(cafile=section.ca)
        if section.certificate and section.key:
            context.load_cert_chain(section.certificate, section.key)
    except OSError as error:
        raise SettingsInvalid(
            f"model.remote: ca, certificate or key cannot be used: {error.strerror}"
        ) from error
    return EnginePlace(
        urls=section.urls,
        token=section.token.get_secret_value(),
        tls=context,
        timeout_s=section.timeout_s,
    )
