"""Objects as JSON, their bulk data in parts of their own (DICOM PS3.18 10.5.2).

The JSON is kept in memory and has its limit; bulk data lie on disk until all is here.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dicom_node.dataset.forms.from_json import Bulk, assemble, data_sets, identity
from dicom_node.dataset.part10 import Arriving
from dicom_node.errors import DatasetInvalid, PeerRefused
from dicom_node.web.dicomweb.accept import DICOM_JSON, OCTETS, parse
from dicom_node.web.dicomweb.media_types import SYNTAXES, canonical
from dicom_node.web.dicomweb.resources import refused
from dicom_node.web.dicomweb.storing.arrival import SENDER, check
from dicom_node.web.dicomweb.storing.outcomes import StoreOutcome, failed, stored
from dicom_node.worklist.reception import Reception

if TYPE_CHECKING:
    from storage.objects.protocol import Incoming

_MOST_JSON_BYTES = 64 << 20
_JSON_TYPES = frozenset({DICOM_JSON, "application/json"})


class JsonParts:
    """Takes metadata and bulk data, and makes objects of them at the end.

    Parameters
    ----------
    reception
        The door.
    study_instance_uid
        The study that all of them belong to; empty for any.
    maximum_bytes
        Of one object.
    """

    def __init__(
        self, reception: Reception, study_instance_uid: str, maximum_bytes: int
    ) -> None:
        self._reception = reception
        self._sender = Arriving("", "", "", SENDER, "", study_instance_uid)
        self._maximum_bytes = maximum_bytes
        self._json = bytearray()
        self._texts: list[bytes] = []
        self._spools: list[Incoming] = []
        self._bulk: dict[str, Bulk] = {}
        self._location, self._type = "", ""
        self._spool: Incoming | None = None
        self.outcomes: list[StoreOutcome] = []

    def begin(self, headers: Mapping[str, str]) -> None:
        """Begin metadata, or bulk data with the place that refers to them."""
        media_type, parameters = parse(headers.get("content-type", OCTETS))
        self._location = headers.get("content-location", "")
        self._spool = None
        if media_type not in _JSON_TYPES:
            self._type = _syntax(media_type, parameters)
            self._spool = self._reception.incoming()
            self._spools.append(self._spool)

    def data(self, piece: memoryview) -> None:
        """Take a piece."""
        if self._spool is None:
            self._json += piece
            if len(self._json) > _MOST_JSON_BYTES:
                raise refused("The metadata are too long")
        else:
            self._spool.write(piece)
            if self._spool.size_bytes > self._maximum_bytes:
                raise refused("Bulk data are larger than this node accepts")

    def end(self) -> None:
        """End a part."""
        if self._spool is None:
            self._texts.append(bytes(self._json))
            self._json = bytearray()
        else:
            spool = self._spool
            self._bulk[self._location] = Bulk(spool.open, spool.size_bytes, self._type)

    def store(self) -> None:
        """Make the objects and receive them.

        Raises
        ------
        HTTPException
            400, where the metadata are no JSON.
        """
        for text in self._texts:
            try:
                found = data_sets(text)
            except DatasetInvalid as error:
                raise refused(str(error).capitalize()) from error
            for attributes in found:
                self.outcomes.append(self._store(attributes))

    def abort(self) -> None:
        """Forget the bulk data."""
        for spool in self._spools:
            spool.abort()

    def _store(self, attributes: Mapping[str, object]) -> StoreOutcome:
        sop_class, uid = identity(attributes)
        incoming: Incoming | None = None
        try:
            incoming = self._reception.incoming()
            arriving = assemble(
                attributes, self._bulk.get, self._sender, incoming.write
            )
            check(arriving)
            receipt = self._reception.receive(incoming, arriving)
            return stored(sop_class, uid, receipt)
        except PeerRefused as error:
            return StoreOutcome(sop_class, uid, error.status)
        except Exception as error:  # noqa: BLE001  the other objects are not to blame
            return failed(sop_class, uid, error)
        finally:
            if incoming is not None:
                incoming.abort()


def _syntax(media_type: str, parameters: Mapping[str, str]) -> str:
    """Tell how bulk data are compressed; empty for not at all."""
    kind = canonical(media_type)
    if kind == OCTETS or kind not in SYNTAXES:
        return ""
    return parameters.get("transfer-syntax", SYNTAXES[kind][0])
