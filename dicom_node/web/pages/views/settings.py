"""Settings: every key, the value that counts, and where it comes from."""

from itertools import groupby

from fastapi import APIRouter, Request, Response

from dicom_node.web.pages.face import Face
from dicom_node.web.pages.parts import PageParts, ShownSetting


def settings(parts: PageParts, face: Face) -> APIRouter:
    """Make the route."""
    router = APIRouter(include_in_schema=False)

    @router.get("/settings")
    def show(request: Request) -> Response:
        """Show the configuration; secrets are masked."""
        tables = [
            (name, list(keys))
            for name, keys in groupby(parts.site().settings(), key=_table)
        ]
        view = {"active": "settings", "tables": tables}
        return face.page(request, "settings.html", view)

    return router


def _table(one: ShownSetting) -> str:
    return one.key.split(".", maxsplit=1)[0]
