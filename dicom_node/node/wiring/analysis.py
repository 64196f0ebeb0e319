"""The analysis of an image, and the worker around it."""

import os
import socket
import uuid
from collections.abc import Sequence

from dicom_node.analysis.pool import ReaderPool
from dicom_node.analysis.process import Analyzer
from dicom_node.analysis.reader import ReaderOptions
from dicom_node.analysis.reading import Readers
from dicom_node.analysis.worker import Worker, WorkerOptions
from dicom_node.delivery.route import kinds_of
from dicom_node.evidence.kinds import USUAL, EvidenceKind
from dicom_node.evidence.maker import ModelIdentity
from dicom_node.node.parts import Parts
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.delivery import routes
from dicom_node.node.wiring.evidence import make_maker, style
from dicom_node.node.wiring.reception import eligibility_rules, titles
from inference.runners.runner import ModelRunner


def evidence_kinds(settings: Settings) -> tuple[EvidenceKind, ...]:
    """List what to encode; without a receiver the usual results are kept here."""
    return kinds_of(routes(settings)) or USUAL


def worker_options(settings: Settings) -> WorkerOptions:
    """Say how a worker works; its name is unique among processes and restarts."""
    section = settings.worker
    return WorkerOptions(
        name=f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
        batch_size=settings.model.batch_size,
        batch_wait_s=settings.model.batch_wait_ms / 1000,
        lease_s=section.lease_s,
        lost_attempts=section.lost_attempts,
        titles=titles(settings),
    )


def make_readers(settings: Settings) -> ReaderPool:
    """Make what reads images; no process starts before the first of them."""
    section = settings.worker
    return ReaderPool(
        ReaderOptions(
            readers=section.readers,
            memory_bytes=section.reader_memory_bytes,
            time_s=section.reader_time_s,
        )
    )


def make_analyzer(
    settings: Settings,
    runner: ModelRunner,
    kinds: Sequence[EvidenceKind] | None = None,
    readers: Readers | None = None,
) -> Analyzer:
    """Make the analysis around a loaded model.

    Parameters
    ----------
    settings, runner
        How, and with what.
    kinds
        Kinds of result instead of those asked for.
    readers
        Who reads the images; nobody but this process unless said.
    """
    return Analyzer(
        runner,
        eligibility_rules(settings),
        make_maker(settings, ModelIdentity.of(runner.manifest)),
        style(settings),
        evidence_kinds(settings) if kinds is None else kinds,
        readers,
    )


def make_worker(
    settings: Settings, parts: Parts, runner: ModelRunner, readers: Readers
) -> Worker:
    """Make what works off the worklist."""
    return Worker(
        parts.steps,
        parts.store,
        make_analyzer(settings, runner, readers=readers),
        routes(settings),
        worker_options(settings),
    )
