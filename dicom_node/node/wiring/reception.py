"""The door for images, and which of them are analysed."""

from dicom_node.injected import clock, new_uid
from dicom_node.node.settings.load import Settings
from dicom_node.worklist.eligibility import EligibilityRules
from dicom_node.worklist.reception import Reception
from storage.database import Database
from storage.objects.protocol import ObjectStore


def eligibility_rules(settings: Settings) -> EligibilityRules:
    """Say which images are analysed."""
    section = settings.eligibility
    return EligibilityRules(
        accept_for_processing=section.accept_for_processing,
        accept_secondary_capture=section.accept_secondary_capture,
        secondary_capture_modalities=frozenset(section.secondary_capture_modalities),
        minimum_age_years=section.minimum_age_years,
        minimum_size_px=section.minimum_size_px,
        unknown_view=section.unknown_view,
        unknown_body_part=section.unknown_body_part,
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
    )
