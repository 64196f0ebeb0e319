"""A node that dies on time, to be run in a process of its own.

It is the product's node, put together with parts that kill the process (SIGKILL)
when they have passed a point of the flow for the COUNTth time.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dicom_node.delivery.destination import Destination, Handover, Parcel
from dicom_node.injected import clock, new_uid
from dicom_node.node.node import Node
from dicom_node.node.parts import Parts
from dicom_node.node.roles import Role
from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.parts import open_parts
from dicom_node.node.wiring.reception import eligibility_rules
from dicom_node.worklist.procedure_step import ProcedureSteps
from dicom_node.worklist.reception import Reception
from storage.objects.files import FileObjectStore
from tests.fakes.runner import ScriptedRunner

POINTS = (
    "receiving",
    "persisted",
    "enqueued",
    "claimed",
    "inferred",
    "evidence stored",
    "settled",
    "sent",
    "recorded",
)


class Fate:
    """Kills the process at a point, the given time it is passed."""

    def __init__(self, point: str, count: int) -> None:
        self._point = point
        self._left = count
        self._lock = threading.Lock()

    def pass_by(self, point: str) -> None:
        if point != self._point:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def mortal_parts(fate: Fate, settings: Settings) -> Parts:
    """The product's parts, with fate at every step of the flow."""
    parts = open_parts(settings)
    store = MortalStore(fate, settings.node.data_dir)
    rules = eligibility_rules(settings)
    return replace(
        parts,
        store=store,
        steps=MortalSteps(fate, parts.database, clock=clock, new_uid=new_uid),
        reception=MortalReception(fate, store, parts.database, rules),
        runner=lambda: MortalRunner(fate),
        destinations={
            name: partial(mortal_destination, fate, make)
            for name, make in parts.destinations.items()
        },
    )


class MortalStore(FileObjectStore):
    def __init__(self, fate: Fate, folder: Path) -> None:
        super().__init__(folder)
        self._fate = fate

    def put(self, *args: Any, **options: Any) -> Any:
        stored = super().put(*args, **options)
        self._fate.pass_by("evidence stored")
        return stored

    def incoming(self) -> Any:
        incoming = super().incoming()
        commit, write, fate = incoming.commit, incoming.write, self._fate

        class Mortal:
            size_bytes = property(lambda _: incoming.size_bytes)
            open = staticmethod(incoming.open)
            abort = staticmethod(incoming.abort)

            def write(self, data: bytes) -> int:
                written = write(data)
                fate.pass_by("receiving")
                return written

            def commit(self) -> Any:
                stored = commit()
                fate.pass_by("persisted")
                return stored

        return Mortal()


class MortalReception(Reception):
    def __init__(self, fate: Fate, store: Any, database: Any, rules: Any) -> None:
        super().__init__(store, database, rules, clock, new_uid)
        self._fate = fate

    def receive(self, *args: Any, **options: Any) -> Any:
        receipt = super().receive(*args, **options)
        self._fate.pass_by("enqueued")
        return receipt


class MortalSteps(ProcedureSteps):
    def __init__(self, fate: Fate, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._fate = fate

    def claim(self, *args: Any, **options: Any) -> Any:
        claimed = super().claim(*args, **options)
        if claimed:
            self._fate.pass_by("claimed")
        return claimed

    def settle(self, *args: Any, **options: Any) -> None:
        super().settle(*args, **options)
        self._fate.pass_by("settled")


class MortalRunner(ScriptedRunner):
    def __init__(self, fate: Fate) -> None:
        super().__init__()
        self._fate = fate

    def run(self, batch: Any) -> Any:
        answers = super().run(batch)
        self._fate.pass_by("inferred")
        return answers


def mortal_destination(
    fate: Fate, make: Callable[[], Destination]
) -> "MortalDestination":
    return MortalDestination(fate, make())


class MortalDestination:
    def __init__(self, fate: Fate, real: Destination) -> None:
        self._fate = fate
        self._real = real
        self.probe = real.probe

    def deliver(self, parcels: Sequence[Parcel]) -> Iterator[Handover]:
        for handover in self._real.deliver(parcels):
            self._fate.pass_by("sent")
            yield handover
            # The deliverer asks for the next one once this one is recorded.
            self._fate.pass_by("recorded")


def live(
    values: dict[str, Any],
    point: str,
    count: int,
    ready: Connection,
    role: Role = Role.ALL,
) -> None:
    """Run until SIGTERM, or until fate strikes; tells its ports through ``ready``."""
    settings = Settings.load(None, values)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    fated = partial(mortal_parts, Fate(point, count))
    with Node(settings, role, open_parts=fated) as node:
        ready.send({"dimse": node.dimse_port, "http": node.http_port})
        stop.wait()
