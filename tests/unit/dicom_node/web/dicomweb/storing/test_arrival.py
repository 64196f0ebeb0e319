"""Objects of one request become durable together, but two of one UID in their order."""

from contextlib import closing
from io import BytesIO
from threading import Event
from types import SimpleNamespace

from dicom_node.web.dicomweb.storing.arrival import ObjectParts
from dicom_node.worklist.reception import Custody, Receipt
from tests.factories.radiographs import synthetic_dataset

A_MOMENT_S, LONG_S = 0.3, 60.0


class SlowAtFirst:
    """A door at which the first object stays until another is there, or a moment."""

    def __init__(self, patience_s):
        self._patience_s = patience_s
        self.began, self.ended = [], []
        self._another = Event()

    def incoming(self):
        return SimpleNamespace(write=len, abort=dict)

    def receive(self, incoming, arriving):
        del incoming
        number = len(self.began)
        self.began.append(arriving.sop_instance_uid)
        if number == 0:
            self._another.wait(self._patience_s)
        else:
            self._another.set()
        self.ended.append(number)
        return Receipt(Custody.STORED)


def received(*films, patience_s):
    door = SlowAtFirst(patience_s)
    parts = ObjectParts(door, "", 1 << 30)
    with closing(SimpleNamespace(close=parts.abort)):
        for film in films:
            stream = BytesIO()
            film.save_as(stream, enforce_file_format=True)
            parts.begin({"content-type": "application/dicom"})
            parts.data(memoryview(stream.getvalue()))
            parts.end()
        assert len(parts.outcomes) == len(films)
    return door.ended


def test_of_two_objects_of_one_uid_the_first_is_received_first():
    film = synthetic_dataset("CR", 1, rows=64, columns=64)
    assert received(film, film, patience_s=A_MOMENT_S) == [0, 1]


def test_another_object_does_not_wait():
    films = [synthetic_dataset("CR", seed, rows=64, columns=64) for seed in (1, 2)]
    assert received(*films, patience_s=LONG_S) == [1, 0]
