"""When a film was taken, as far as its header says (DICOM PS3.3 C.7.6.1, C.12.1.1).

The most exact statement wins: of the acquisition, else of the content, the series or
the study. Without Timezone Offset From UTC it is this machine's local time.
"""

from datetime import UTC, datetime, timedelta, timezone

from pydicom.dataset import Dataset

from dicom_node.dataset.attributes import text

_EVENTS = ("Acquisition", "Content", "Series", "Study")
_SECONDS = 14  # digits of YYYYMMDDHHMMSS
_DAY = 8


def acquired_at(dataset: Dataset) -> datetime | None:
    """Return the moment in UTC; ``None`` when the header names no valid one.

    A date without a time counts as the beginning of its day.
    """
    offset = text(dataset, "TimezoneOffsetFromUTC")
    whole = text(dataset, "AcquisitionDateTime")
    stamps = [
        (_digits(text(dataset, f"{event}Date")), _digits(text(dataset, f"{event}Time")))
        for event in _EVENTS
    ]
    if whole:
        number, sign, own_offset = whole.replace("-", "+-").partition("+")
        stated = f"{'-' if own_offset[:1] == '-' else sign}{own_offset.lstrip('-')}"
        moment = _moment(_digits(number), stated if own_offset else offset)
        if moment is not None:
            return moment
    exact = [f"{day}{time}" for day, time in stamps if day and time]
    dates = [day for day, _ in stamps if day]
    found = (_moment(digits, offset) for digits in (*exact, *dates))
    return next((moment for moment in found if moment is not None), None)


def _digits(value: str) -> str:
    """Take date or time without fraction and without the punctuation of old."""
    whole = value if value.count(".") > 1 else value.partition(".")[0]
    return "".join(letter for letter in whole if letter.isdecimal())


def _moment(digits: str, offset: str) -> datetime | None:
    if len(digits) < _DAY:
        return None
    try:
        local = datetime.strptime(  # noqa: DTZ007  its zone follows
            digits[:_SECONDS].ljust(_SECONDS, "0"), "%Y%m%d%H%M%S"
        )
        zone = _zone(offset)
        aware = local.astimezone() if zone is None else local.replace(tzinfo=zone)
        return aware.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


def _zone(offset: str) -> timezone | None:
    if len(offset) != 5 or offset[0] not in "+-" or not offset[1:].isdecimal():  # noqa: PLR2004  &ZZXX
        return None
    delta = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
    return timezone(-delta if offset[0] == "-" else delta)
