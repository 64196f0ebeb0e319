"""What the pages work on, and what a site chose that they show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from dicom_node.web.pages.texts import Texts
from dicom_node.worklist.procedure_step import ProcedureSteps
from storage.database import Database
from storage.objects.protocol import ObjectStore


@dataclass(frozen=True, slots=True)
class ShownDestination:
    """A receiver of results.

    Parameters
    ----------
    kind, place
        How it is spoken to, and where.
    probe
        Asks whether it is there; raises NodeError with the reason.
    """

    name: str
    kind: str
    place: str
    required: bool
    probe: Callable[[], None]


@dataclass(frozen=True, slots=True)
class ShownModel:
    """A model at hand.

    Parameters
    ----------
    card
        Its model card, Markdown; empty where it has none.
    """

    name: str
    version: str
    sha256: str
    intended_use: str
    licence: str
    in_service: bool
    card: str


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """A key of the configuration; a secret's value is masked."""

    key: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Site:
    """What a site chose; it may change while the node runs.

    Parameters
    ----------
    show_names
        Whether pages may name patients.
    arrival_to_pacs_s
        In what time results shall be at their destinations.
    models, settings
        Looks them up: the pages that show them are rarely asked for.
    rendered
        Whether pictures of result objects are to be had by DICOMweb.
    """

    title: str
    show_names: bool
    arrival_to_pacs_s: float
    destinations: tuple[ShownDestination, ...]
    models: Callable[[], tuple[ShownModel, ...]]
    settings: Callable[[], tuple[ShownSetting, ...]]
    rendered: bool


@dataclass(frozen=True, slots=True)
class PageParts:
    """What the pages work on.

    Parameters
    ----------
    database, store, steps
        What is shown, and what changes a job.
    site
        What the site chose, as it is at the moment.
    conditions, warnings
        How this process does; see ``web.api``.
    clock
        Aware UTC.
    texts
        The words.
    pixels
        Of one film that is drawn.
    """

    database: Database
    store: ObjectStore
    steps: ProcedureSteps
    site: Callable[[], Site]
    conditions: Callable[[], Mapping[str, str | None]]
    warnings: Callable[[], Mapping[str, str]]
    clock: Callable[[], datetime]
    texts: Texts
    pixels: int = 100_000_000
