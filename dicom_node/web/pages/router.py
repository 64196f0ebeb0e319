"""All pages as one face, and how they say refusals."""

from dataclasses import dataclass

from fastapi import APIRouter

from dicom_node.web.application import AsPage
from dicom_node.web.pages.assets import Assets
from dicom_node.web.pages.face import Face
from dicom_node.web.pages.live import live
from dicom_node.web.pages.parts import PageParts
from dicom_node.web.pages.views.actions import actions
from dicom_node.web.pages.views.destinations import destinations
from dicom_node.web.pages.views.devices import devices
from dicom_node.web.pages.views.job import job
from dicom_node.web.pages.views.models import models
from dicom_node.web.pages.views.not_eligible import not_eligible
from dicom_node.web.pages.views.pictures import pictures
from dicom_node.web.pages.views.settings import settings
from dicom_node.web.pages.views.today import today
from dicom_node.web.pages.views.worklist import worklist

_VIEWS = (
    today,
    worklist,
    actions,
    job,
    not_eligible,
    destinations,
    models,
    devices,
    settings,
)


@dataclass(frozen=True, slots=True)
class WebPages:
    """The pages.

    Parameters
    ----------
    router
        Their routes.
    as_page
        Says a refusal as one of them.
    """

    router: APIRouter
    as_page: AsPage


def pages(parts: PageParts) -> WebPages:
    """Make all routes of the pages."""
    assets = Assets()
    face = Face(parts, assets)
    router = APIRouter()
    router.include_router(assets.routes())
    for view in _VIEWS:
        router.include_router(view(parts, face))
    router.include_router(pictures(parts))
    router.include_router(live(parts))
    return WebPages(router, face.as_page)
