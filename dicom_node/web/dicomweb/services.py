"""What the origin server claims: the tables of the conformance statement.

A row stands for a resource and what is done with it; a test asks for each of them, and
for nothing that is not here (DICOM PS3.2 Annex N, PS3.18 10.3).
"""

from typing import NamedTuple

from dicom_node.dataset.pixels.transcoding import LOSSLESS, PLAIN
from dicom_node.web.dicomweb.accept import DICOM, DICOM_JSON, DICOM_XML
from dicom_node.web.dicomweb.media_types import SYNTAXES
from dicom_node.web.dicomweb.retrieving.rendered import MEDIA_TYPES as PICTURES
from dicom_node.web.dicomweb.retrieving.rendered import PDF

_STUDY, _SERIES = "/studies/{study}", "/studies/{study}/series/{series}"
_INSTANCE = f"{_SERIES}/instances/{{instance}}"
_TEXTS = (DICOM_JSON, DICOM_XML)


class WebTransaction(NamedTuple):
    """One resource.

    Parameters
    ----------
    transaction
        Of PS3.18.
    method, path
        Path below ``/dicom-web``.
    media_types
        Answers, most welcome first; of ``Store`` what may be in the body.
    """

    transaction: str
    method: str
    path: str
    media_types: tuple[str, ...]


SERVICES: tuple[WebTransaction, ...] = (
    *(
        WebTransaction("Search (QIDO-RS)", "GET", path, _TEXTS)
        for path in (
            "/studies",
            f"{_STUDY}/series",
            f"{_STUDY}/instances",
            f"{_SERIES}/instances",
            "/series",
            "/instances",
        )
    ),
    *(
        WebTransaction("Store (STOW-RS)", "POST", path, (DICOM, DICOM_JSON))
        for path in ("/studies", _STUDY)
    ),
    *(
        WebTransaction("Retrieve (WADO-RS)", "GET", path, (DICOM,))
        for path in (_STUDY, _SERIES, _INSTANCE)
    ),
    *(
        WebTransaction("Retrieve metadata", "GET", f"{path}/metadata", _TEXTS)
        for path in (_STUDY, _SERIES, _INSTANCE)
    ),
    *(
        WebTransaction(
            "Retrieve pixel and bulk data", "GET", f"{_INSTANCE}{path}", types
        )
        for path, types in (
            ("/frames/{numbers}", tuple(SYNTAXES)),
            ("/bulkdata/{way:path}", tuple(SYNTAXES)),
        )
    ),
    *(
        WebTransaction("Retrieve rendered", "GET", f"{path}/{what}", types)
        for what in ("rendered", "thumbnail")
        for path, types in (
            (_STUDY, PICTURES),
            (_SERIES, PICTURES),
            (_INSTANCE, (*PICTURES, PDF)),
            (f"{_INSTANCE}/frames/{{numbers}}", PICTURES),
        )
    ),
    WebTransaction("WADO-URI", "GET", "/wado", (DICOM, *PICTURES)),
)
"""All resources; ``/`` answers WADO-URI as well."""

WRITTEN_SYNTAXES = (*PLAIN, *LOSSLESS)
"""Beside the syntax in which an object is stored."""
