"""QIDO-RS: studies, series and instances that match (DICOM PS3.18 10.6)."""

from fastapi import APIRouter, Request, Response

from dicom_node.dataset.header import read_header
from dicom_node.dataset.part10 import read_file_meta
from dicom_node.dataset.quiet import MALFORMED, quiet
from dicom_node.errors import NodeError
from dicom_node.web.dicomweb.accept import DICOM_JSON, DICOM_XML, preferred
from dicom_node.web.dicomweb.parts import PREFIX, DicomwebParts
from dicom_node.web.dicomweb.resources import checked, root_of
from dicom_node.web.dicomweb.searching.answers import (
    EVERYTHING,
    KNOWN_TAGS,
    Attributes,
    add_counts,
    answer,
    written,
)
from dicom_node.web.dicomweb.searching.search_parameters import Search, search_of
from storage.catalog.query import HeldObject, MatchingKey, find
from storage.errors import ObjectMissing
from storage.held import Level
from storage.objects.protocol import ObjectStore

MORE = "There are additional results that can be requested."
MEDIA_TYPES = (DICOM_JSON, "application/json", DICOM_XML)
_LARGEST_VALUE = 1024


def qido(parts: DicomwebParts) -> APIRouter:
    """Make the routes; their paths are those of PS3.18 table 10.6.1-1."""
    router = APIRouter(prefix=PREFIX, include_in_schema=False)

    @router.get("/studies")
    def studies(request: Request) -> Response:
        return _search(parts, request, Level.STUDY)

    @router.get("/studies/{study}/series")
    def series_of_study(request: Request, study: str) -> Response:
        return _search(parts, request, Level.SERIES, study)

    @router.get("/studies/{study}/instances")
    def instances_of_study(request: Request, study: str) -> Response:
        return _search(parts, request, Level.INSTANCE, study)

    @router.get("/studies/{study}/series/{series}/instances")
    def instances_of_series(request: Request, study: str, series: str) -> Response:
        return _search(parts, request, Level.INSTANCE, study, series)

    @router.get("/series")
    def series(request: Request) -> Response:
        return _search(parts, request, Level.SERIES)

    @router.get("/instances")
    def instances(request: Request) -> Response:
        return _search(parts, request, Level.INSTANCE)

    return router


def _search(
    parts: DicomwebParts,
    request: Request,
    level: Level,
    study: str | None = None,
    series: str | None = None,
) -> Response:
    media_type = preferred(request, MEDIA_TYPES)
    search = search_of(request, level, parts.limits.results)
    query = search.query.within(
        study_instance_uid=checked(study), series_instance_uid=checked(series)
    )
    fields = EVERYTHING if search.everything else search.fields
    with parts.database.transaction(read_only=True) as tx:
        page = find(tx, query)
        found = [
            answer(match, root_of(request), fields, _levels(level, study, series))
            for match in page.matches
        ]
        add_counts(tx, found, page.matches)
    unknown = search.fields - KNOWN_TAGS
    if unknown and level is Level.INSTANCE:
        _add_from_headers(parts.store, found, page.matches, unknown)
    return written(found, media_type, _warnings(search, is_more=page.is_more))


def _levels(level: Level, study: str | None, series: str | None) -> list[Level]:
    """Name the levels that the path says nothing of: their attributes are answered."""
    found = [level]
    if level is Level.INSTANCE and series is None:
        found.append(Level.SERIES)
    if level is not Level.STUDY and study is None:
        found.append(Level.STUDY)
    return found


def _warnings(search: Search, *, is_more: bool) -> list[str]:
    return [*search.warnings, MORE] if is_more else list(search.warnings)


def _add_from_headers(
    store: ObjectStore,
    found: list[Attributes],
    matches: list[MatchingKey],
    tags: frozenset[str],
) -> None:
    """Read what is asked for and not in the catalogue; a page of it is little."""
    for attributes, match in zip(found, matches, strict=True):
        if match.held is not None:
            attributes.update(_read(store, match.held, tags) | attributes)


def _read(store: ObjectStore, held: HeldObject, tags: frozenset[str]) -> Attributes:
    read: Attributes = {}
    try:
        with store.open(held.object_key) as stream, quiet():
            syntax = read_file_meta(stream).transfer_syntax_uid
            header = read_header(stream, syntax)
            for tag in tags:
                if int(tag, 16) in header:
                    element = header[int(tag, 16)]
                    read[tag] = dict(element.to_json_dict(None, _LARGEST_VALUE))
    except (NodeError, ObjectMissing, *MALFORMED):
        return read
    return read
