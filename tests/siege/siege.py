"""A node under siege: it is killed again and again while films arrive.

Whatever happens to it, every film that it acknowledged ends delivered, and the PACS
never sees two contents under one SOP Instance UID.
"""

import hashlib
import multiprocessing
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from pydicom.dataset import Dataset

from dicom_node.errors import NodeError
from dicom_node.node.roles import Role
from tests.factories.nodes import (
    EVIDENCE,
    destination,
    get,
    save,
    send,
    settings,
    wait_until,
)
from tests.factories.radiographs import synthetic_dataset
from tests.peers import mortal_node
from tests.peers.pacs import PACS

ONE = (Role.ALL,)
SEPARATE = (Role.RECEIVE, Role.WORK, Role.WEB)
PATIENCE_S = 600.0
_START_S = 300.0
_BEHIND = 40  # result objects that the PACS still waits for
_SHORT_LEASES = {"worker": {"lease_s": 2, "readers": 1}, "delivery": {"lease_s": 2}}
_PROCESSES = multiprocessing.get_context("forkserver")


class Mortal:
    """A process of a node."""

    def __init__(self, values: dict[str, Any], role: Role) -> None:
        _PROCESSES.set_forkserver_preload([mortal_node.__name__])
        self.role = role
        self._here, there = _PROCESSES.Pipe(duplex=False)
        self._ports: dict[str, int | None] | None = None
        self.process = _PROCESSES.Process(
            target=mortal_node.live, args=(values, "never", 1, there, role)
        )
        self.process.start()
        there.close()

    def ports(self) -> dict[str, int | None]:
        """Where it listens; empty when it did not live to tell."""
        if self._ports is None:
            try:
                told = self._here.recv() if self._here.poll(_START_S) else {}
            except EOFError:
                told = {}
            self._ports = told
        return self._ports

    def kill(self) -> None:
        """End it without a word."""
        self.process.kill()
        self.process.join()
        self._here.close()


@dataclass
class Tally:
    """What was done, and what was said of it.

    Parameters
    ----------
    kills, cuts
        Processes killed one by one, and power cuts, which take all at once.
    sent, acknowledged
        SOP Instance UIDs.
    """

    kills: int = 0
    cuts: int = 0
    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)


class Siege:
    """A node of some processes, and whoever strikes at it.

    Parameters
    ----------
    folder
        Of its data.
    roles
        Its processes.
    seed
        Of the moments.
    url
        Of a PostgreSQL database; SQLite without it.
    """

    def __init__(
        self,
        folder: Path,
        films: Path,
        roles: Sequence[Role],
        seed: int,
        pacs: PACS,
        url: str | None = None,
    ) -> None:
        values = settings(
            folder, [destination("pacs", pacs.port)], **_SHORT_LEASES
        ).model_dump(exclude={"database"}, by_alias=True)
        self._values = values | ({"database": {"url": url}} if url else {})
        self._films, self._roles, self._pacs = films, roles, pacs
        self._moment = Random(seed)  # noqa: S311  moments, not secrets
        self._pattern = synthetic_dataset("CR", seed, rows=448, columns=400)
        self._unsaid: list[Dataset] = []
        self._nodes: dict[Role, Mortal] = {}
        self.tally = Tally()

    @contextmanager
    def laid(self) -> Iterator["Siege"]:
        """Start the node; nothing of it is left in the end."""
        try:
            self._start()
            yield self
        finally:
            self._kill_all()

    def strike(self) -> None:
        """Kill one process at a random moment of its life, and start it again."""
        chance = self._moment
        victim = self._nodes[chance.choice(list(self._roles))]
        how = chance.choice(("start", "work", "work", "work", "stop"))
        with self._sending():
            if how == "start":
                victim.process.join(chance.uniform(0.0, 1.5))
            elif victim.ports():
                victim.process.join(chance.uniform(0.0, 1.0))
                if how == "stop":
                    victim.process.terminate()
                    victim.process.join(chance.uniform(0.0, 0.7))
            victim.kill()
        self.tally.kills += 1
        self._nodes[victim.role] = Mortal(self._values, victim.role)

    def cut(self, power: Callable[[Random], None]) -> None:
        """Let all processes end at once, with all that was not synced."""
        chance = self._moment
        if chance.random() < 0.8:
            for node in self._nodes.values():
                node.ports()
        with self._sending():
            threading.Event().wait(chance.uniform(0.0, 1.5))
            self._kill_all()
        power(chance)
        self.tally.cuts += 1
        self._start()

    def raise_it(self) -> list[str]:
        """End the siege: all that was acknowledged has to arrive; what is wrong."""
        for node in self._nodes.values():
            if not node.ports():
                node.kill()
                self._nodes[node.role] = Mortal(self._values, node.role)
        web = self._nodes[self._roles[-1]].ports()["http"]
        assert web is not None
        states: dict[str, str] = {}

        def arrived() -> bool:
            for uid in self.tally.acknowledged:
                if states.get(uid) != "delivered":
                    states[uid] = str(_seen(web, uid).get("state"))
            return set(states.values()) <= {"delivered"}

        wait_until(arrived, PATIENCE_S)
        wrong = [
            f"{uid}: {state}" for uid, state in states.items() if state != "delivered"
        ]
        wrong += self._missing(web)
        wrong += [
            f"{uid}: {len(digests)} contents"
            for uid, digests in self.digests().items()
            if len(digests) > 1
        ]
        wrong += self._ends()
        return wrong

    def digests(self) -> dict[str, set[str]]:
        """What the PACS was sent: SOP Instance UID -> SHA-256 of each content."""
        found: dict[str, set[str]] = {}
        for uid, content in list(self._pacs.stores):
            found.setdefault(uid, set()).add(hashlib.sha256(content).hexdigest())
        return found

    def _missing(self, web: int) -> list[str]:
        """Tell which results of acknowledged films the PACS has not."""
        held, wrong = set(self.digests()), []
        for uid in self.tally.acknowledged:
            job = get(web, f"/api/v1/jobs?sop_instance_uid={uid}")["items"]
            made = {row["sop_instance_uid"] for one in job for row in one["evidence"]}
            if len(made) != len(EVIDENCE) or not made <= held:
                wrong.append(f"{uid}: {len(made & held)} of {len(EVIDENCE)} results")
        return wrong

    def _ends(self) -> list[str]:
        """Stop it as an administrator does."""
        wrong = []
        for node in self._nodes.values():
            node.process.terminate()
            node.process.join(_START_S)
            if node.process.exitcode != 0:
                wrong.append(f"{node.role} ended with {node.process.exitcode}")
        return wrong

    @contextmanager
    def _sending(self) -> Iterator[None]:
        """Send a film meanwhile, if the node is not far behind."""
        port = self._nodes[self._roles[0]].ports().get("dimse")
        expected = len(self.tally.acknowledged) * len(EVIDENCE)
        if port is None or expected - len(self._pacs.held) > _BEHIND:
            yield
            return
        sender = threading.Thread(target=self._send, args=(port, self._next_film()))
        sender.start()
        try:
            yield
        finally:
            sender.join()

    def _next_film(self) -> Dataset:
        """A new film, or one that nobody acknowledged, as a modality sends it again."""
        if self._unsaid and self._moment.random() < 0.5:
            return self._unsaid.pop()
        film = deepcopy(self._pattern)
        number = self._moment.getrandbits(100)
        film.SOPInstanceUID = f"2.25.{number}"
        film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
        film.StudyInstanceUID = f"2.25.{number + 1}"
        film.PatientID = uuid.UUID(int=number).hex[:16]
        return film

    def _send(self, port: int, film: Dataset) -> None:
        uid, path = str(film.SOPInstanceUID), save(film, self._films)
        self.tally.sent.add(uid)
        try:
            (result,) = send(port, path)
        except NodeError:
            result = None
        if result is not None and result.status == 0x0000:
            self.tally.acknowledged.add(uid)
        else:
            self._unsaid.append(film)
        path.unlink()

    def _start(self) -> None:
        self._nodes = {role: Mortal(self._values, role) for role in self._roles}

    def _kill_all(self) -> None:
        for node in self._nodes.values():
            node.kill()


def _seen(web: int, uid: str) -> dict[str, Any]:
    found: dict[str, Any] = get(web, f"/api/v1/instances/{uid}")
    return found


def processes_left(folder: Path) -> list[str]:
    """Name processes that still have a file below a folder open."""
    left = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            targets = [one.readlink() for one in (entry / "fd").iterdir()]
        except OSError:
            continue
        if any(target.is_relative_to(folder) for target in targets):
            left.append(entry.name)
    return left
