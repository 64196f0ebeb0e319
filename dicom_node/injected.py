"""The two things taken from the world outside: the time, and new UIDs.

Everything that needs one is handed it, so that tests can hand it another.
"""

import uuid
from datetime import UTC, datetime


def clock() -> datetime:
    """Tell the time, aware UTC."""
    return datetime.now(UTC)


def new_uid() -> str:
    """Make a UID (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"
