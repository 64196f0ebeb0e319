"""Table CC.1.1-2 of PS3.4 holds, whoever asks for what, over both protocols at once.

The statuses stand here as the standard prints them, not as the product's tables do.
"""

import json
import shutil
import tempfile
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import httpx2
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from dicom_node.dimse.acceptor.application_entity import ApplicationEntity
from dicom_node.dimse.library import RequestingEntity as Caller
from dicom_node.dimse.presentation import WORKLIST_CLASSES, context
from dicom_node.dimse.services.unified_procedure_step import UnifiedProcedureStepSCP
from dicom_node.web.application import create_app
from dicom_node.web.dicomweb.workitems.router import workitems
from dicom_node.worklist.unified.workitem_content import to_json
from tests.factories.choices import dimse_config
from tests.factories.workitems import a_step, how_far, what_was_done, worklist_at
from tests.peers.receiving import NODE, receiver
from tests.peers.serving import serving

PUSH, WATCH, PULL, _ = WORKLIST_CLASSES
JSON = {"Content-Type": "application/dicom+json"}
SCHEDULED, IN_PROGRESS = "SCHEDULED", "IN PROGRESS"
COMPLETED, CANCELED = "COMPLETED", "CANCELED"
OWNERS = ("2.25.1001", "2.25.1002", None)
CHANGES = {
    IN_PROGRESS: {
        SCHEDULED: 0,
        IN_PROGRESS: 0xC302,
        COMPLETED: 0xC300,
        CANCELED: 0xC300,
    },
    COMPLETED: {
        SCHEDULED: 0xC310,
        IN_PROGRESS: 0,
        COMPLETED: 0xB306,
        CANCELED: 0xC300,
    },
    CANCELED: {
        SCHEDULED: 0xC310,
        IN_PROGRESS: 0,
        COMPLETED: 0xC300,
        CANCELED: 0xB304,
    },
}
HTTP = {
    0xC301: 400,
    0xC303: 400,
    0xC300: 409,
    0xC302: 409,
    0xC304: 409,
    0xC310: 409,
    0xC311: 409,
    0xC312: 409,
    0x0111: 409,
}


class ByDimse:
    """Asks over an association."""

    def __init__(self, association):
        self._association = association

    def create(self, uid):
        return self._association.send_n_create(a_step(), PUSH, uid)[0].Status

    def change(self, uid, wanted, given):
        said = Dataset()
        said.ProcedureStepState = wanted
        if given:
            said.TransactionUID = given
        return self._act(said, 1, uid, PULL)

    def update(self, uid, changes, given):
        if given:
            changes.TransactionUID = given
        answer = self._association.send_n_set(changes, PUSH, uid, meta_uid=PULL)
        return answer[0].Status

    def request_cancel(self, uid):
        return self._act(None, 2, uid, PUSH)

    def subscribe(self, uid, *, on):
        said = Dataset()
        said.ReceivingAE, said.DeletionLock = "WATCHER", "FALSE"
        return self._act(said, 3 if on else 4, uid, WATCH)

    def state(self, uid):
        status, found = self._association.send_n_get([], PUSH, uid, meta_uid=PULL)
        assert status.Status == 0
        assert "TransactionUID" not in found
        return found.ProcedureStepState

    @staticmethod
    def expected(status, _success):
        return status

    def _act(self, said, action, uid, under):
        answer = self._association.send_n_action(
            said, action, PUSH, uid, meta_uid=under
        )
        return answer[0].Status


class ByHttp:
    """Asks over HTTP."""

    def __init__(self, client):
        self._client = client

    def create(self, uid):
        return self._post(f"?workitem={uid}", a_step())

    def change(self, uid, wanted, given):
        said = {"00741000": {"vr": "CS", "Value": [wanted]}}
        if given:
            said["00081195"] = {"vr": "UI", "Value": [given]}
        place = f"/workitems/{uid}/state"
        answer = self._client.put(place, content=json.dumps(said), headers=JSON)
        return answer.status_code, "Warning" in answer.headers

    def update(self, uid, changes, given):
        return self._post(
            f"/{uid}?transaction={given}" if given else f"/{uid}", changes
        )

    def request_cancel(self, uid):
        return self._post(f"/{uid}/cancelrequest", Dataset())

    def subscribe(self, uid, *, on):
        place = f"/workitems/{uid}/subscribers/WATCHER"
        answer = self._client.post(place) if on else self._client.delete(place)
        return answer.status_code, "Warning" in answer.headers

    def state(self, uid):
        (found,) = self._client.get(f"/workitems/{uid}").json()
        assert "00081195" not in found
        return found["00741000"]["Value"][0]

    @staticmethod
    def expected(status, success):
        if status >> 8 == 0xB3:
            return success, True
        return (HTTP[status], True) if status else (success, False)

    def _post(self, place, dataset):
        body = json.dumps(to_json(dataset))
        answer = self._client.post(f"/workitems{place}", content=body, headers=JSON)
        return answer.status_code, "Warning" in answer.headers


def test_the_rules_hold_over_both_protocols_at_once():
    folder = Path(tempfile.mkdtemp())
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        database = stack.enter_context(receiver(folder)).database
        worklist = worklist_at(database)
        entity = ApplicationEntity(
            dimse_config(NODE, accept_unknown_peers=True),
            [UnifiedProcedureStepSCP(worklist)],
        )
        port = entity.start()
        stack.callback(entity.stop, drain_s=0)
        contexts = [context(uid, [ImplicitVRLittleEndian]) for uid in WORKLIST_CLASSES]
        association = Caller("CLIENT").associate(
            "127.0.0.1", port, contexts, ae_title=NODE
        )
        stack.callback(association.release)
        web = stack.enter_context(serving(create_app([workitems(worklist)])))
        base = f"http://127.0.0.1:{web}/dicom-web"
        client = stack.enter_context(httpx2.Client(base_url=base))
        seen = set()
        ways = [ByDimse(association), ByHttp(client)]
        run_state_machine_as_test(
            _machine(ways, seen),
            settings=settings(max_examples=20, stateful_step_count=30, deadline=None),
        )
    assert seen == {SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED}


def _machine(ways, seen):  # noqa: C901  a rule each
    numbers = count(1)
    way = st.sampled_from(ways)
    given_uid = st.sampled_from(OWNERS)

    class Rules(RuleBasedStateMachine):
        """One Workitem, and what everybody may do to it."""

        def __init__(self):
            super().__init__()
            self.uid = f"1.2.826.{next(numbers)}"
            self.state = None
            self.owner = None
            self.is_done = False
            self.is_watched = False

        def ask(self, way, status, success, answer):
            assert answer == way.expected(status, success)

        @initialize(way=way)
        def begin(self, way):
            self.ask(way, 0, 201, way.create(self.uid))
            self.state = SCHEDULED

        @rule(way=way)
        def create_again(self, way):
            self.ask(way, 0x0111, 201, way.create(self.uid))

        @rule(way=way)
        def go_on(self, way):
            """Do the next right thing: chance alone seldom comes to an end."""
            if self.state == SCHEDULED:
                self.change(way, OWNERS[0], IN_PROGRESS)
            elif self.state == IN_PROGRESS and not self.is_done:
                self.update(way, self.owner, is_done=True)
            elif self.state == IN_PROGRESS:
                self.change(way, self.owner, COMPLETED)

        @rule(
            way=way,
            given=given_uid,
            wanted=st.sampled_from([SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED]),
        )
        def change(self, way, given, wanted):
            right = given and (self.state == SCHEDULED or given == self.owner)
            if wanted == SCHEDULED:
                status = 0xC303
            elif not right:
                status = 0xC301
            else:
                status = CHANGES[wanted][self.state]
            if status == 0 and wanted == COMPLETED and not self.is_done:
                status = 0xC304
            self.ask(way, status, 200, way.change(self.uid, wanted, given))
            if status == 0:
                self.state = wanted
                self.owner = given

        @rule(way=way, given=given_uid, is_done=st.booleans())
        def update(self, way, given, is_done):
            changes = what_was_done() if is_done else how_far(5)
            answer = way.update(self.uid, changes, given)
            if self.state in (COMPLETED, CANCELED):
                refused = 0xC300 if isinstance(way, ByDimse) else (400, True)
                assert answer == refused
                return
            status = 0
            if self.state == SCHEDULED:
                status = 0xC310 if given else 0
            elif given != self.owner:
                status = 0xC301
            self.ask(way, status, 200, answer)
            if status == 0:
                self.is_done = self.is_done or is_done

        @rule(way=way)
        def request_cancel(self, way):
            status = {
                SCHEDULED: 0,
                IN_PROGRESS: 0 if self.is_watched else 0xC312,
                COMPLETED: 0xC311,
                CANCELED: 0xB304,
            }[self.state]
            self.ask(way, status, 202, way.request_cancel(self.uid))
            if self.state == SCHEDULED:
                self.state, self.owner = CANCELED, ""

        @rule(way=way)
        def subscribe(self, way):
            self.ask(way, 0, 201, way.subscribe(self.uid, on=True))
            self.is_watched = True

        @rule(way=way)
        def unsubscribe(self, way):
            if not self.is_watched:
                return
            self.ask(way, 0, 200, way.subscribe(self.uid, on=False))
            self.is_watched = False

        @invariant()
        def both_see_the_same(self):
            seen.add(self.state)
            assert [way.state(self.uid) for way in ways] == [self.state] * len(ways)

    return Rules
