"""The worklist: for this node, for others, and how its subscribers are told."""

from datetime import timedelta

from dicom_node.delivery.event_reports import Reporter, ReportPatience
from dicom_node.dimse.scu.association import RemoteAE
from dicom_node.errors import SettingsInvalid
from dicom_node.injected import clock, new_uid
from dicom_node.node.parts import Parts
from dicom_node.node.settings.destinations import DimseDestinationSection
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.remotes import remote, remote_ae, timeouts
from dicom_node.retrieve.fetcher import Fetcher, FetchManner
from dicom_node.retrieve.performer import Fetching, Performer
from dicom_node.retrieve.prior_seeker import PriorSeeker, SeekManner
from dicom_node.retrieve.wado import FetchLimits, ImageServer
from dicom_node.worklist.procedure_step import ProcedureSteps
from dicom_node.worklist.retry import BackOff
from dicom_node.worklist.unified.subscription import Herald
from dicom_node.worklist.unified.unified_worklist import UnifiedWorklist
from dicom_node.worklist.unified.workitem_content import Place
from storage.database import Database
from storage.objects.protocol import ObjectStore


def make_steps(database: Database) -> ProcedureSteps:
    """Make the worklist of a database."""
    return ProcedureSteps(database, clock=clock, new_uid=new_uid)


def place(settings: Settings) -> Place:
    """Say how the node appears in its Workitems."""
    return Place(
        ae_title=settings.node.ae_title,
        retrieve_url=settings.worklist.retrieve_url,
        worklist_label=settings.worklist.label,
        titles={one.name: one.ae_title for one in _by_dimse(settings)},
    )


def make_worklist(
    settings: Settings,
    database: Database,
    steps: ProcedureSteps,
    store: ObjectStore,
) -> UnifiedWorklist:
    """Make the worklist as others see it."""
    known = _titles(settings)
    return UnifiedWorklist(
        database,
        steps,
        place(settings),
        clock=clock,
        new_uid=new_uid,
        may_be_called=known.__contains__,
        has_room=lambda: store.room_bytes() > 0,
    )


def make_reporter(settings: Settings, parts: Parts) -> Reporter:
    """Make what tells subscribers."""
    section = settings.worklist
    return Reporter(
        Herald(parts.database, place(settings), parts.clock),
        parts.database,
        receivers(settings),
        calling_ae=settings.node.ae_title,
        timeouts=timeouts(settings),
        patience=ReportPatience(
            BackOff(section.first_retry_s, section.longest_retry_s),
            section.give_up_after_s,
            section.reports_per_subscriber,
        ),
        clock=parts.clock,
    )


def make_performer(settings: Settings, parts: Parts) -> Performer:
    """Make what performs pushed Workitems."""
    section = settings.worklist
    sources = [
        ImageServer(one.url, one.token.get_secret_value()) for one in section.sources
    ]
    limits = FetchLimits(settings.dimse.maximum_object_bytes, section.fetch_timeout_s)
    return Performer(
        parts.database,
        parts.steps,
        parts.reception,
        place=place(settings),
        fetching=Fetching(sources, limits, receivers(settings), timeouts(settings)),
        clock=parts.clock,
        new_uid=parts.new_uid,
    )


def make_fetcher(settings: Settings, parts: Parts) -> Fetcher:
    """Make what has peers send old studies here."""
    section = settings.fetch
    manner = FetchManner(
        calling_ae=settings.node.ae_title,
        peers=receivers(settings),
        timeouts=timeouts(settings),
        back_off=BackOff(section.first_retry_s, section.longest_retry_s),
        tries=section.tries,
        most_waiting=section.most_waiting,
        has_room=lambda: parts.store.room_bytes() > 0,
    )
    return Fetcher(parts.database, manner, parts.clock)


def make_seeker(settings: Settings, parts: Parts) -> PriorSeeker:
    """Make what looks for patients' earlier films.

    Raises
    ------
    SettingsInvalid
        Who is asked cannot be called.
    """
    section = settings.priors
    remote = callable_by(settings, section.source)
    if remote is None:
        raise SettingsInvalid(
            f"priors.from: {section.source!r} is neither a destination nor a peer with"
            " address and port"
        )
    manner = SeekManner(
        settings.node.ae_title, remote, timeouts(settings), section.months
    )
    return PriorSeeker(parts.database, manner, parts.clock)


def callable_by(settings: Settings, name: str) -> RemoteAE | None:
    """Find whom the node can call, by a destination's name or an AE title."""
    titles = {one.name: one.ae_title for one in _by_dimse(settings)}
    return receivers(settings).get(titles.get(name, name))


def receivers(settings: Settings) -> dict[str, RemoteAE]:
    """Say whom the node can call: peers with address and port, and destinations."""
    found = {
        peer.ae_title: remote(
            settings, peer.ae_title, peer.address, peer.port, tls_on=peer.tls
        )
        for peer in settings.dimse.peers
        if peer.port is not None and peer.address and "/" not in peer.address
    }
    for section in _by_dimse(settings):
        found.setdefault(section.ae_title, remote_ae(settings, section))
    return found


def kept(settings: Settings) -> timedelta:
    """Say how long a pushed Workitem stays when it has ended; zero keeps it."""
    return timedelta(days=settings.worklist.keep_days)


def _titles(settings: Settings) -> frozenset[str]:
    callable_ = {
        peer.ae_title
        for peer in settings.dimse.peers
        if peer.port is not None and peer.address and "/" not in peer.address
    }
    return frozenset(callable_ | {one.ae_title for one in _by_dimse(settings)})


def _by_dimse(settings: Settings) -> list[DimseDestinationSection]:
    return [
        one for one in settings.destinations if isinstance(one, DimseDestinationSection)
    ]
