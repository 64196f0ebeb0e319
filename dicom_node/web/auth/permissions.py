"""The least role for each route: one table, and what is not in it is not to be had.

A row is about a path and all that is below it; the longest row that fits counts.
"""

from enum import Enum
from typing import Final, NamedTuple

from dicom_node.web.auth.principal import AccessRole


class Openness(Enum):
    """What stands in the table in place of a role."""

    ANYONE = "anyone"
    NOBODY = "nobody"


Need = AccessRole | Openness
_ANYONE = Openness.ANYONE
_VIEWER, _OPERATOR, _ADMIN = AccessRole
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Row(NamedTuple):
    """What is needed to read, and to change, at a path and below it."""

    path: str
    reading: Need
    changing: Need


TABLE: tuple[Row, ...] = (
    # Orchestrators ask without a key; the answers hold nothing about patients.
    Row("/health/live", _ANYONE, _ADMIN),
    Row("/health/ready", _ANYONE, _ADMIN),
    Row("/login", _ANYONE, _ANYONE),
    Row("/logout", _ADMIN, _ANYONE),
    Row("/static", _ANYONE, _ADMIN),
    Row("/metrics", _VIEWER, _ADMIN),
    Row("/api", _VIEWER, _OPERATOR),
    Row("/api/v1/users", _ADMIN, _ADMIN),
    Row("/api/v1/keys", _ADMIN, _ADMIN),
    Row("/api/v1/sessions", _ADMIN, _ADMIN),
    Row("/api/v1/settings", _ADMIN, _ADMIN),
    Row("/api/v1/audit", _ADMIN, _ADMIN),
    Row("/dicom-web", _VIEWER, _OPERATOR),
    # Who listens takes a subscriber's reports away.
    Row("/dicom-web/subscribers", _OPERATOR, _OPERATOR),
    Row("/", _VIEWER, _OPERATOR),
    Row("/settings", _ADMIN, _ADMIN),
    Row("/users", _ADMIN, _ADMIN),
    Row("/keys", _ADMIN, _ADMIN),
    Row("/audit", _ADMIN, _ADMIN),
    *(
        Row(f"/{page}", _VIEWER, _OPERATOR)
        for page in (
            "today",
            "wall",
            "worklist",
            "jobs",
            "instances",
            "not-eligible",
            "destinations",
            "models",
            "devices",
            "events",
            "live",
            "films",
        )
    ),
)


def needed(method: str, path: str) -> Need:
    """Say what is needed for a request.

    Parameters
    ----------
    method
        Of HTTP; a WebSocket begins as a GET.
    path
        As it is asked for.
    """
    rows = [row for row in TABLE if _is_about(row.path, path)]
    if not rows:
        return Openness.NOBODY
    row = max(rows, key=lambda row: len(row.path))
    return row.reading if method in _READING else row.changing


def _is_about(place: str, path: str) -> bool:
    """Tell whether a path is that place, or below it; below ``/`` all have rows."""
    return path == place or (place != "/" and path.startswith(f"{place}/"))
