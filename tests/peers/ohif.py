"""OHIF's built viewer before a real Orthanc, opened in headless Chromium.

One origin serves the viewer's files and passes ``/dicom-web`` on to Orthanc, as a
hospital's reverse proxy would. The viewer is the npm package ``@ohif/app``, fetched
by ``scripts/install-test-peers``.
"""

import contextlib
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

DIST = Path(__file__).resolve().parents[2] / ".cache" / "ohif" / "package" / "dist"
ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
CONFIG = """
window.config = {
  routerBasename: '/', extensions: [], modes: [], showStudyList: true,
  maxNumberOfWebWorkers: 2, showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: false, strictZSpacingForVolumeViewport: true,
  defaultDataSourceName: 'dicomweb',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
    sourceName: 'dicomweb',
    configuration: {
      friendlyName: 'PACS', name: 'PACS', qidoRoot: '/dicom-web',
      wadoRoot: '/dicom-web', wadoUriRoot: '/dicom-web',
      qidoSupportsIncludeField: false,
      imageRendering: 'wadors', thumbnailRendering: 'wadors',
      enableStudyLazyLoad: true, supportsFuzzyMatching: false, supportsWildcard: true,
      omitQuotationForMultipartRequest: true,
    },
  }],
};
"""
PATIENCE_MS = 300_000
"""Longer than the viewer, drawing without a GPU, takes on the busiest machine."""
LOOK_EVERY_MS = 1000
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)


def _application(orthanc_url: str) -> Starlette:
    """Answer the viewer's files, its configuration, and DICOMweb by proxy."""
    client = httpx2.AsyncClient(base_url=orthanc_url, timeout=PATIENCE_MS / 1000)

    async def dicom_web(request: Request) -> Response:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() in {"accept", "content-type"}
        }
        answer = await client.request(
            request.method,
            request.url.path,
            params=request.url.query.encode(),
            headers=headers,
            content=await request.body(),
        )
        kept = {"content-type": answer.headers.get("content-type", "")} | ISOLATION
        return Response(answer.content, answer.status_code, kept)

    async def file(request: Request) -> Response:
        name = request.path_params["path"]
        if name == "app-config.js":
            return Response(CONFIG, media_type="text/javascript", headers=ISOLATION)
        path = (DIST / name).resolve()
        if not (name and path.is_file() and path.is_relative_to(DIST)):
            path = DIST / "index.html"
        return FileResponse(path, headers=ISOLATION)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route("/dicom-web/{path:path}", dicom_web, methods=["GET", "POST"]),
            Route("/{path:path}", file),
        ],
    )


@contextlib.contextmanager
def serving(orthanc_url: str) -> Iterator[str]:
    """Serve the viewer on a free loopback port; yields its address."""
    if not (DIST / "index.html").is_file():
        pytest.skip("OHIF (npm package @ohif/app) is not installed")
    # listening before the server runs: whoever connects early waits its turn
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(_application(orthanc_url), log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(
            target=server.run, args=([listener],), name="ohif", daemon=True
        )
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(15)


@contextlib.contextmanager
def browser_page(address: str, study_instance_uid: str) -> Iterator["object"]:
    """Open the study in the viewer, the tour skipped."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=chromium,
            headless=True,
            args=list(CHROMIUM_FLAGS),
            timeout=PATIENCE_MS,
        )
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.set_default_timeout(PATIENCE_MS)
            page.goto(
                f"{address}/viewer?StudyInstanceUIDs={study_instance_uid}",
                wait_until="domcontentloaded",
            )
            yield page
        finally:
            browser.close()


def open_series(page: "object", series: str) -> None:
    """Open an entry of the study panel; its result is drawn in its own time."""
    entry = page.get_by_text(series, exact=True).first
    entry.wait_for()
    # the tour comes by itself, some time after the first picture, and covers the page
    page.get_by_text("Skip all", exact=True).click()
    _click_if_there(page, "Confirm and hide")
    entry.dblclick()
    page.wait_for_function(
        "() => window.cornerstone?.getEnabledElements()[0]?.viewport?.getCurrentImageId"
    )


def look_until(page: "object", judge: Callable[[], None]) -> None:
    """Answer what the viewer asks, and look again until nothing is wrong any more.

    What is still wrong when patience ends is raised as ``judge`` raised it.
    """
    sync_api = pytest.importorskip("playwright.sync_api")
    for _ in range(PATIENCE_MS // LOOK_EVERY_MS):
        for label in ("Yes", "Confirm and hide"):
            _click_if_there(page, label)
        # The viewer replaces its viewport when it shows a result.
        with contextlib.suppress(AssertionError, sync_api.Error):
            judge()
            return
        page.wait_for_timeout(LOOK_EVERY_MS)
    judge()


def _click_if_there(page: "object", label: str) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    button = page.get_by_text(label, exact=True)
    if button.count():
        with contextlib.suppress(sync_api.Error):  # it may have gone meanwhile
            button.first.click(timeout=LOOK_EVERY_MS)
