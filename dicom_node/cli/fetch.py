"""``fetch``: have a PACS send old studies here, behind today's."""

import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from pydicom.dataset import Dataset
from tqdm import tqdm

from dicom_node.cli.network import explained
from dicom_node.cli.terminal.options import config_option
from dicom_node.cli.terminal.words import did_you_mean
from dicom_node.dimse.scu import retrieve
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.errors import NodeError
from dicom_node.injected import clock
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.remotes import timeouts
from dicom_node.node.wiring.storage import opened_database
from dicom_node.node.wiring.worklist import callable_by, receivers
from storage.database import Database
from storage.worklist import fetches
from storage.worklist.fetches import FetchState

_DATES = re.compile(r"\d{8}(-\d{8})?|\d{8}-|-\d{8}")
_UID = re.compile(r"[0-9.]{1,64}")
_PATIENT = re.compile(r"[^*?\\]{1,64}")  # one, and no wildcard
_LOOK_S = 1.0
_FILMS = ("CR", "DX")
_ENDED = (FetchState.FETCHED, FetchState.FAILED)


@click.command()
@click.option(
    "--from",
    "source",
    required=True,
    metavar="NAME|AE",
    help="A destination or a peer of the configuration.",
)
@click.option("--study", "studies", multiple=True, metavar="UID", help="These studies.")
@click.option("--patient", metavar="ID", help="The studies of this Patient ID.")
@click.option("--date", metavar="DAYS", help="Studies of 20260101-20260131.")
@click.option("--modality", metavar="LIST", help="Only with these, such as CR,DX.")
@click.option("--priors", is_flag=True, help="And the same patients' other studies.")
@click.option(
    "--deliver/--keep",
    default=None,
    help="Send the results, or keep them here. Default: fetch.deliver.",
)
@click.option("--no-wait", is_flag=True, help="Queue, and do not follow.")
@config_option
def fetch(  # noqa: PLR0913  each is an option of the command
    source: str,
    studies: Sequence[str],
    patient: str | None,
    date: str | None,
    modality: str | None,
    config: Path | None,
    *,
    priors: bool,
    deliver: bool | None,
    no_wait: bool,
) -> None:
    """Have a PACS send studies here; the running node fetches them.

    They are analysed behind everything new. Ctrl-C leaves them queued.
    """
    if not (studies or patient or date):
        raise click.UsageError("give --study, --patient or --date")
    if date and not _DATES.fullmatch(date):
        raise click.BadParameter("days are YYYYMMDD-YYYYMMDD", param_hint="--date")
    if patient and not _PATIENT.fullmatch(patient):
        raise click.BadParameter("this is no Patient ID", param_hint="--patient")
    if not all(map(_UID.fullmatch, studies)):
        raise click.BadParameter("this is no UID", param_hint="--study")
    settings = Settings.load(config)
    remote = _source(settings, source)
    search = _Search(settings, remote, _modalities(modality))
    with explained(remote, settings.node.ae_title, timeouts(settings)):
        uids = search.studies(studies, patient, date, priors=priors)
    is_sent = settings.fetch.deliver if deliver is None else deliver
    if not uids:
        raise NodeError(f"{remote} has no such study")
    with opened_database(settings) as database:
        with database.transaction() as tx:
            count = fetches.add(tx, remote.ae_title, uids, deliver=is_sent, now=clock())
        click.echo(f"{count} of {len(uids)} studies queued.")
        if not no_wait:
            _follow(database, remote.ae_title, uids)


def _source(settings: Settings, name: str) -> RemoteAE:
    """Find a peer by its AE title, or by the name of a destination."""
    remote = callable_by(settings, name)
    if remote is not None:
        return remote
    names = [one.name for one in settings.destinations]
    meant = did_you_mean(name, [*names, *receivers(settings)])
    raise click.BadParameter(
        f"{name!r} is neither a destination nor a peer with address and port{meant}",
        param_hint="--from",
    )


def _modalities(listed: str | None) -> tuple[str, ...]:
    return tuple(
        one.strip().upper() for one in (listed or "").split(",") if one.strip()
    )


class _Search:
    """Asks a PACS which studies are meant.

    Parameters
    ----------
    settings, remote
        Whom.
    modalities
        Of the studies; all without.
    """

    def __init__(
        self, settings: Settings, remote: RemoteAE, modalities: tuple[str, ...]
    ) -> None:
        self._settings = settings
        self._remote = remote
        self._modalities = modalities

    def studies(
        self,
        uids: Sequence[str],
        patient: str | None,
        date: str | None,
        *,
        priors: bool,
    ) -> list[str]:
        """Name the studies, each once."""
        found: dict[str, str] = {}
        for uid in uids:
            found |= self._find(self._modalities, StudyInstanceUID=uid)
        if patient or date:
            keys = {"PatientID": patient or "", "StudyDate": date or ""}
            found |= self._find(self._modalities, **keys)
        if priors:
            for one in sorted(set(filter(None, found.values()))):
                found |= self._find(self._modalities or _FILMS, PatientID=one)
        return list(found)

    def _find(self, modalities: Sequence[str], **values: str) -> dict[str, str]:
        """Give study -> patient."""
        return {
            str(one.StudyInstanceUID): str(one.get("PatientID") or "")
            for modality in modalities or ("",)
            for one in self._ask({"ModalitiesInStudy": modality} | values)
            if one.get("StudyInstanceUID") and _has(one, modality)
        }

    def _ask(self, values: dict[str, str]) -> Iterator[Dataset]:
        keys = Dataset()
        keys.QueryRetrieveLevel = "STUDY"
        keys.StudyInstanceUID = ""
        keys.PatientID = ""
        for keyword, value in values.items():
            setattr(keys, keyword, value)
        return retrieve.find(
            self._remote,
            keys,
            calling_ae=self._settings.node.ae_title,
            timeouts=timeouts(self._settings),
        )


def _has(study: Dataset, modality: str) -> bool:
    """Tell whether a study has a modality, as far as its archive says so.

    There are archives that answer this key and do not match it.
    """
    said = study.get("ModalitiesInStudy") or ()
    held = (said,) if isinstance(said, str) else tuple(said)
    return not modality or not held or modality in held


def _follow(database: Database, peer: str, uids: Sequence[str]) -> None:
    """Show how the studies come, until the last one has."""
    pause = threading.Event()
    with tqdm(total=len(uids), unit="study", disable=None) as progress:
        while True:
            with database.transaction(read_only=True) as tx:
                found = fetches.counts(tx, peer, uids)
            done = sum(found[state] for state in _ENDED)
            progress.update(done - progress.n)
            if done >= len(uids):
                break
            pause.wait(_LOOK_S)
    failed = found[FetchState.FAILED]
    click.echo(f"{found[FetchState.FETCHED]} fetched, {failed} not.")
    if failed:
        raise SystemExit(1)
