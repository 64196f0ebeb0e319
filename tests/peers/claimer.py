"""A worker process for the tests: claims until nothing is left, and says what."""

import uuid
from datetime import UTC, datetime

from storage.database import Database
from storage.worklist import attempts


def claim_everything(url: str, worker: str) -> list[str]:
    """Claim in small batches, as fast as it goes."""
    database = Database(url)
    claimed: list[str] = []
    while True:
        with database.transaction() as tx:
            batch = attempts.claim(
                tx,
                worker=worker,
                limit=3,
                lease_s=600,
                now=datetime.now(UTC),
                new_uid=lambda: f"2.25.{uuid.uuid4().int}",
            )
        if not batch:
            database.close()
            return claimed
        claimed += [item.workitem_uid for item in batch]
