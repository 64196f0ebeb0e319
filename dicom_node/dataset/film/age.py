"""How old a patient was when the film was taken, as far as the header tells.

Patient's Age (PS3.3 C.7.2.2) in any readable form, else the time from Patient's Birth
Date to the first of the dates that say when the film was taken.
"""

import re
import unicodedata
from datetime import date

from pydicom.dataset import Dataset

from dicom_node.dataset.attributes import text

_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0, "H": 8766.0}
_UNIT = re.compile(
    r"(?P<Y>Y|YRS?|Y/?O|YEARS?( OLD)?|ANS?|ANOS?|ANNI|A|JAHRE?|JAAR|AR|[歳才岁세])"
    r"|(?P<M>M|MO|MOS|MON|MTH|MTHS|MONTHS?|MONATE?|MOIS|MES|MESES|MESI|[ヶか]?月)"
    r"|(?P<W>W|WK|WKS|WEEKS?|WOCHEN?|週|周)"
    r"|(?P<D>D|DAYS?|TAGE?|JOURS|DIAS?|GIORNI|日|天)"
    r"|(?P<H>H|HRS?|HOURS?)"
)
_NUMBER = r"(\d{1,3})(?:[.,](\d{1,2}))?"
_AFTER = re.compile(rf"{_NUMBER}\s*([^\d\s][^\d]*)?")
_BEFORE = re.compile(rf"([A-Z]+)\s*{_NUMBER}")
_OLDEST_YEARS = 130
_EVENTS = (
    "AcquisitionDateTime",
    "AcquisitionDate",
    "ContentDate",
    "SeriesDate",
    "StudyDate",
    "InstanceCreationDate",
    "PerformedProcedureStepStartDate",
)
_YEAR_FIRST = re.compile(r"(\d{4})[-./: ]?(?:(\d{2})[-./: ]?(?:(\d{2}).*)?)?")
_YEAR_LAST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_FIRST_YEAR = 1850


def age_years(dataset: Dataset) -> float | None:
    """Return the age; ``None`` where the header does not tell it.

    A birth date without its day or month counts from its beginning: nobody is called
    younger than he may be.
    """
    stated = _stated(text(dataset, "PatientAge"))
    if stated is not None:
        return stated
    born = _date(text(dataset, "PatientBirthDate"))
    if born is None:
        return None
    taken = (_date(text(dataset, event)) for event in _EVENTS)
    spans = ((day - born).days / _PER_YEAR["D"] for day in taken if day is not None)
    return next((span for span in spans if 0 <= span <= _OLDEST_YEARS), None)


def _stated(age: str) -> float | None:
    age = unicodedata.normalize("NFKD", age)
    age = "".join(letter for letter in age if not unicodedata.combining(letter))
    age = unicodedata.normalize("NFC", age).strip(" .")
    if match := _AFTER.fullmatch(age):
        whole, part, unit = match[1], match[2], (match[3] or "").strip(" .")
    elif match := _BEFORE.fullmatch(age):
        unit, whole, part = match[1], match[2], match[3]
    else:
        return None
    known = _UNIT.fullmatch(unit) if unit else None
    if unit and known is None:
        return None
    letter = known.lastgroup if known else "Y"
    number = float(f"{whole}.{part or 0}")
    if number == 0 and letter == "Y":  # what some devices send for unknown
        return None
    years = number / _PER_YEAR[letter or "Y"]
    return years if years <= _OLDEST_YEARS else None


def _date(stamp: str) -> date | None:
    if match := _YEAR_LAST.fullmatch(stamp):
        day, month, year = match.groups()
    elif match := _YEAR_FIRST.fullmatch(stamp):
        year, month, day = match.groups()
    else:
        return None
    try:
        found = date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    return found if found.year >= _FIRST_YEAR else None
