"""OHIF's built viewer before a real Orthanc, opened in headless Chromium.

One origin serves the viewer's files and passes ``/dicom-web`` on to Orthanc, as a
hospital's reverse proxy would. The viewer is the npm package ``@ohif/app``, fetched
by ``scripts/install-test-peers``.
"""

import asyncio
import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import uvicorn
from numpy.typing import NDArray
from PIL import Image
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
      wadoRoot: '/dicom-web', wadoUriRoot: '/dicom-web', qidoSupportsIncludeField: false,
      imageRendering: 'wadors', thumbnailRendering: 'wadors',
      enableStudyLazyLoad: true, supportsFuzzyMatching: false, supportsWildcard: true,
      omitQuotationForMultipartRequest: true,
    },
  }],
};
"""
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
    client = httpx.AsyncClient(base_url=orthanc_url, timeout=60)

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

    return Starlette(
        routes=[
            Route("/dicom-web/{path:path}", dicom_web, methods=["GET", "POST"]),
            Route("/{path:path}", file),
        ]
    )


@contextlib.contextmanager
def serving(orthanc_url: str, port: int) -> Iterator[str]:
    """Serve the viewer on a loopback port; yields its address."""
    if not (DIST / "index.html").is_file():
        pytest.skip("OHIF (npm package @ohif/app) is not installed")
    server = uvicorn.Server(
        uvicorn.Config(
            _application(orthanc_url), host="127.0.0.1", port=port, log_level="error"
        )
    )
    ready = threading.Event()

    def run() -> None:
        async def main() -> None:
            serving_task = asyncio.ensure_future(server.serve())
            while not server.started and not serving_task.done():
                await asyncio.sleep(0.01)
            ready.set()
            await serving_task

        asyncio.run(main())

    thread = threading.Thread(target=run, name="ohif", daemon=True)
    thread.start()
    if not ready.wait(30) or not server.started:
        pytest.fail("the viewer's server did not start")
    try:
        yield f"http://127.0.0.1:{port}"
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
            executable_path=chromium, headless=True, args=list(CHROMIUM_FLAGS)
        )
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(
                f"{address}/viewer?StudyInstanceUIDs={study_instance_uid}",
                wait_until="domcontentloaded",
                timeout=120_000,
            )
            yield page
        finally:
            browser.close()


def pixels(png: Path) -> NDArray[np.uint8]:
    """Read a screenshot as uint8 (rows, columns, 3)."""
    return np.asarray(Image.open(png).convert("RGB"))
