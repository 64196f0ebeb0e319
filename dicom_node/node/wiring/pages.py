"""The web pages: what they work on, and what a site chose that they show."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from dicom_node.delivery.destination import Destination
from dicom_node.errors import SettingsInvalid
from dicom_node.node.parts import Parts
from dicom_node.node.settings.destinations import (
    DestinationSection,
    StowDestinationSection,
)
from dicom_node.node.settings.effective import effective
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.model import model_roots
from dicom_node.web.pages.assets import Assets
from dicom_node.web.pages.parts import (
    PageParts,
    ShownDestination,
    ShownModel,
    ShownSetting,
    Site,
)
from dicom_node.web.pages.texts import Texts, TextsInvalid, load_texts
from inference.errors import InferenceError
from inference.manifest import read_manifest
from inference.models import model_folders

Running = Callable[[], tuple[Settings, Parts]]
"""The configuration and the parts as they are at the moment."""
CARD = "MODEL_CARD.md"


def page_parts(
    settings: Settings,
    parts: Parts,
    running: Running,
    conditions: Callable[[], Mapping[str, str | None]],
    doubts: Callable[[], Mapping[str, str]],
) -> PageParts:
    """Say what the pages work on.

    Raises
    ------
    SettingsInvalid
        The site's words cannot be used.
    """
    return PageParts(
        database=parts.database,
        store=parts.store,
        steps=parts.steps,
        site=lambda: site(*running()),
        conditions=conditions,
        warnings=doubts,
        clock=parts.clock,
        texts=texts(settings.pages.texts),
    )


def sheets(settings: Settings) -> tuple[str, ...]:
    """Tell the addresses of the pages' style sheets, where there are pages."""
    if not settings.pages.enabled:
        return ()
    assets = Assets()
    return assets.address("pico.min.css"), assets.address("pages.css")


def texts(path: Path | None) -> Texts:
    """Read the words of the pages."""
    try:
        return load_texts(path)
    except TextsInvalid as error:
        raise SettingsInvalid(f"pages.texts: {error}") from error


def site(settings: Settings, parts: Parts) -> Site:
    """Say what the site chose."""
    return Site(
        title=settings.node.ae_title,
        show_names=settings.pages.show_names,
        arrival_to_pacs_s=settings.targets.arrival_to_pacs_s,
        destinations=tuple(
            _destination(one, parts.destinations.get(one.name))
            for one in settings.destinations
        ),
        models=partial(_models, settings),
        settings=partial(_settings, settings),
        rendered=settings.dicomweb.enabled,
    )


def _destination(
    section: DestinationSection, make: Callable[[], Destination] | None
) -> ShownDestination:
    if isinstance(section, StowDestinationSection):
        kind, place = "STOW-RS", section.url
    else:
        kind, place = "DIMSE", f"{section.ae_title} {section.host}:{section.port}"
    return ShownDestination(
        section.name, kind, place, section.required, partial(_probe, make)
    )


def _probe(make: Callable[[], Destination] | None) -> None:
    if make is None:
        raise SettingsInvalid("this process does not deliver there")
    make().probe()


def _models(settings: Settings) -> tuple[ShownModel, ...]:
    found = []
    for folder in model_folders(model_roots(settings)):
        try:
            manifest = read_manifest(folder)
        except InferenceError:
            continue
        card = folder / CARD
        found.append(
            ShownModel(
                name=manifest.name,
                version=manifest.version,
                sha256=manifest.sha256,
                intended_use=manifest.intended_use,
                licence=manifest.licence,
                in_service=folder.name == settings.model.name,
                card=_read(card),
            )
        )
    return tuple(found)


def _read(card: Path) -> str:
    try:
        return card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _settings(settings: Settings) -> tuple[ShownSetting, ...]:
    return tuple(
        ShownSetting(one.key, one.value, str(one.origin)) for one in effective(settings)
    )
