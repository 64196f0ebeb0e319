"""What the pages are made with: style sheets, scripts, an icon; from the wheel only."""

import hashlib
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

_FOLDER = Path(__file__).with_name("static")
_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}
PREFIX = "/static"


class Assets:
    """The files, read once; an address names the content, so that browsers keep it."""

    def __init__(self) -> None:
        self._files = {
            path.name: (path.read_bytes(), _TYPES[path.suffix])
            for path in sorted(_FOLDER.iterdir())
        }
        digest = hashlib.sha256()
        for content, _ in self._files.values():
            digest.update(content)
        self._version = digest.hexdigest()[:12]

    def address(self, name: str) -> str:
        """Tell where a file is to be had."""
        return f"{PREFIX}/{self._version}/{name}"

    def routes(self) -> APIRouter:
        """Make the route; nothing here is about patients."""
        router = APIRouter(prefix=PREFIX, include_in_schema=False)

        @router.get("/{version}/{name}")
        def asset(version: str, name: str) -> Response:
            del version
            if name not in self._files:
                raise HTTPException(HTTPStatus.NOT_FOUND)
            content, media_type = self._files[name]
            return Response(content, headers=_HEADERS, media_type=media_type)

        return router
