"""The door for images, which of them are analysed, and what holds them together."""

from datetime import timedelta

from dicom_node.injected import clock, new_uid
from dicom_node.node.bond import Bond
from dicom_node.node.settings.analysis import EligibilitySection
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.storage import make_mark
from dicom_node.worklist.adoption import Adoption
from dicom_node.worklist.eligibility import EligibilityRules
from dicom_node.worklist.reception import Reception
from dicom_node.worklist.titles import FETCHED, Title, Titles
from storage.database import Database
from storage.objects.protocol import ObjectStore
from storage.records import Priority


def eligibility_rules(settings: Settings) -> EligibilityRules:
    """Say which images are analysed."""
    return _rules(settings.eligibility)


def titles(settings: Settings) -> Titles:
    """Say how what is sent to each of our titles is treated."""
    usual = settings.eligibility.model_dump()
    return {
        section.ae_title: Title(
            rules=_rules(EligibilitySection(**{**usual, **section.eligibility})),
            priority=None
            if section.priority is None
            else Priority[section.priority.upper()],
            destinations=section.destinations,
        )
        for section in settings.dimse.titles
    } | {FETCHED: Title(_rules(settings.eligibility), destinations=())}


def _rules(section: EligibilitySection) -> EligibilityRules:
    return EligibilityRules(
        accept_for_processing=section.accept_for_processing,
        accept_secondary_capture=section.accept_secondary_capture,
        secondary_capture_modalities=frozenset(section.secondary_capture_modalities),
        minimum_age_years=section.minimum_age_years,
        minimum_size_px=section.minimum_size_px,
        unknown_view=section.unknown_view,
        unknown_body_part=section.unknown_body_part,
        body_part_words=frozenset(section.body_part_words),
        refused_views=frozenset(section.refused_views),
        derived_products=section.derived_products,
        refused_image_types=frozenset(section.refused_image_types),
        accepted_modalities=frozenset(section.accepted_modalities),
    )


def explains(settings: Settings) -> bool:
    """Say whether anybody wants to know why an image was not analysed."""
    return any(section.not_analysable_report for section in settings.destinations)


def make_reception(
    settings: Settings, store: ObjectStore, database: Database
) -> Reception:
    """Open the door for images."""
    return Reception(
        store,
        database,
        eligibility_rules(settings),
        clock,
        new_uid,
        explains=explains(settings),
        titles=titles(settings),
        prior_wait=(
            timedelta(seconds=settings.priors.wait_s) if settings.priors.fetch else None
        ),
    )


def make_adoption(
    store: ObjectStore, database: Database, reception: Reception
) -> Adoption:
    """Make what takes in what a database lacks."""
    return Adoption(store, database, reception, clock)


def make_bond(
    settings: Settings,
    store: ObjectStore,
    database: Database,
    adoption: Adoption | None = None,
) -> Bond:
    """Make what holds a store and a database together."""
    if adoption is None:
        reception = make_reception(settings, store, database)
        adoption = make_adoption(store, database, reception)
    return Bond(make_mark(settings, database), store, database, adoption, clock)
