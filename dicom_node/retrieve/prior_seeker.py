"""Looks for the earlier film of a patient who has none here, while today's film waits.

The newest study of radiographs is fetched, analysed as urgently as the film that waits
for it, and its results stay here. Whatever happens, the film waits no longer than was
said when it came (``storage.worklist.prior_searches``).
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydicom.dataset import Dataset

from dicom_node.dataset.quiet import quiet
from dicom_node.dimse.scu import retrieve
from dicom_node.dimse.scu.association import RemoteAE, Timeouts
from dicom_node.errors import NodeError
from dicom_node.worklist.turns import Turns
from storage.catalog import instances
from storage.database import Database
from storage.records import Instance
from storage.signals import Watch
from storage.worklist import fetches, history, prior_searches
from storage.worklist.prior_searches import PriorSearch, SearchOutcome

logger = logging.getLogger(__name__)
_IDLE_S, _LOOK_S, _LEAST_S = 5.0, 0.2, 0.5
_DAYS_OF_MONTH = 30.44
_MOST_STUDIES = 3
_FILMS = frozenset({"CR", "DX"})
_SAID = {
    SearchOutcome.FOUND: "An image has its patient's earlier film from %s.",
    SearchOutcome.NONE: "An image goes without an earlier film: %s has none.",
    SearchOutcome.LATE: "An image goes without an earlier film: %s was too slow.",
    SearchOutcome.FAILED: "An image goes without an earlier film: %s failed.",
}


@dataclass(frozen=True, slots=True)
class SeekManner:
    """Who is asked, and how far back.

    Parameters
    ----------
    calling_ae
        Our AE title, which is also where studies shall be sent.
    remote, timeouts
        Who is asked, and how long it may take.
    months
        How old an earlier film may be.
    """

    calling_ae: str
    remote: RemoteAE
    timeouts: Timeouts
    months: int


class PriorSeeker:
    """Looks for earlier films until told to stop.

    Parameters
    ----------
    database
        Where films wait.
    manner
        How they are looked for.
    clock
        Aware UTC.
    """

    def __init__(
        self, database: Database, manner: SeekManner, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._manner = manner
        self._clock = clock

    def run(self, stop: threading.Event, watch: Watch) -> None:
        """Look until ``stop`` is set."""
        turns = Turns("Looking for earlier films failed", {"action": "prior"})
        while not stop.is_set():
            try:
                has_worked = self.work(stop)
            except Exception as error:  # noqa: BLE001  the loop's outermost edge
                turns.failed(error, stop)
                continue
            turns.went_well()
            if not has_worked and not stop.is_set():
                watch.wait(_IDLE_S)

    def work(self, stop: threading.Event) -> bool:
        """Look for the film that is waited for longest; tell whether there was any."""
        with self._database.transaction(read_only=True) as tx:
            one = prior_searches.first(tx)
            if one is None:
                return False
            film = instances.get_instance(tx, one.sop_instance_uid)
        outcome = SearchOutcome.FAILED
        try:
            outcome = self._outcome(one, film, stop)
        except NodeError as error:
            logger.info("No earlier film: %s.", error, extra={"action": "prior"})
        finally:
            with self._database.transaction() as tx:
                prior_searches.end(tx, one, outcome)
        logger.log(
            logging.INFO if outcome is SearchOutcome.FOUND else logging.WARNING,
            _SAID[outcome],
            self._manner.remote.ae_title,
            extra={"action": "prior", "instance": one.sop_instance_uid},
        )
        return True

    def _outcome(
        self, one: PriorSearch, film: Instance, stop: threading.Event
    ) -> SearchOutcome:
        if self._left_s(one) <= 0:
            return SearchOutcome.LATE
        for study in self._studies(one, film)[:_MOST_STUDIES]:
            self._fetch(one, study)
            while not stop.is_set() and self._left_s(one) > 0:
                with self._database.transaction(read_only=True) as tx:
                    if history.prior_jobs(tx, film):
                        return SearchOutcome.FOUND
                    if not prior_searches.is_being_analysed(tx, study):
                        break
                stop.wait(min(_LOOK_S, max(self._left_s(one), 0.0)))
            else:
                return SearchOutcome.LATE
        return SearchOutcome.NONE

    def _studies(self, one: PriorSearch, film: Instance) -> list[str]:
        """Name the patient's earlier studies of radiographs, newest first."""
        taken = (film.acquired_at or film.received_at).astimezone()
        since = taken - timedelta(days=self._manner.months * _DAYS_OF_MONTH)
        keys = Dataset()
        keys.QueryRetrieveLevel = "STUDY"
        with quiet():
            keys.PatientID = film.patient_id
        keys.IssuerOfPatientID = keys.StudyInstanceUID = keys.StudyTime = ""
        keys.ModalitiesInStudy = ""
        keys.StudyDate = f"{since:%Y%m%d}-{taken:%Y%m%d}"
        found = retrieve.find(
            self._manner.remote,
            keys,
            calling_ae=self._manner.calling_ae,
            timeouts=self._timeouts(one),
        )
        with quiet():
            earlier = [
                (f"{study.get('StudyDate', '')}", f"{study.get('StudyTime', '')}", uid)
                for study in found
                if (uid := str(study.get("StudyInstanceUID") or ""))
                and uid != film.study_instance_uid
                and _is_of(study, film)
                and _has_films(study)
            ]
        return [uid for _, _, uid in sorted(earlier, reverse=True)]

    def _fetch(self, one: PriorSearch, study: str) -> None:
        peer = self._manner.remote.ae_title
        now = self._clock()
        with self._database.transaction() as tx:
            fetches.add(tx, peer, [study], deliver=False, now=now)
            until = one.until + timedelta(seconds=self._manner.timeouts.message_s)
            fetch = fetches.begin(tx, peer, study, until)
        error: str | None = None
        try:
            retrieve.move_study(
                self._manner.remote,
                study,
                calling_ae=self._manner.calling_ae,
                timeouts=self._timeouts(one),
            )
        except NodeError as failure:
            error = str(failure)
            raise
        finally:
            with self._database.transaction() as tx:
                fetches.end(tx, fetch, error)
                prior_searches.hasten_study(tx, study, one.priority)

    def _left_s(self, one: PriorSearch) -> float:
        return (one.until - self._clock()).total_seconds()

    def _timeouts(self, one: PriorSearch) -> Timeouts:
        """Let nobody take longer than the film waits."""
        left = max(self._left_s(one), _LEAST_S)
        usual = self._manner.timeouts
        return replace(
            usual,
            connection_s=min(usual.connection_s, left),
            association_s=min(usual.association_s, left),
            message_s=min(usual.message_s, left),
            network_s=min(usual.network_s, left),
        )


def _is_of(study: Dataset, film: Instance) -> bool:
    """Tell whether an answer is about the patient of a film."""
    issuer = str(study.get("IssuerOfPatientID") or "").strip()
    same = str(study.get("PatientID") or "").strip() == film.patient_id
    return same and issuer in ("", film.issuer_of_patient_id)


def _has_films(study: Dataset) -> bool:
    said = study.get("ModalitiesInStudy") or ()
    held = {said} if isinstance(said, str) else set(said)
    return not held or bool(held & _FILMS)
