"""An HTTP application on a free loopback port, as the node serves it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from fastapi import FastAPI

from dicom_node.node.settings.load import Settings
from dicom_node.node.wiring.web import http_limits
from dicom_node.web.server import HttpAddress, HttpServer


@contextmanager
def serving(app: FastAPI, **limits: float) -> Iterator[int]:
    """Serve an application, and tell on which port."""
    address = HttpAddress("127.0.0.1", 0)
    server = HttpServer(app, address, replace(http_limits(Settings()), **limits))
    try:
        yield server.start()
    finally:
        server.stop(10)
