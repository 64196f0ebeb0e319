"""Real peers for the interoperability tests; a test skips where its peer is not."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.peers import toolkits as peers


@pytest.fixture
def start_orthanc(tmp_path: Path) -> Iterator[Callable[..., peers.Orthanc]]:
    """Start an Orthanc: ``start_orthanc(OrthancOptions(...), name="pacs")``."""
    if not peers.is_installed(peers.ORTHANC):
        pytest.skip("Orthanc is not installed")
    with ExitStack() as stack:

        def start(
            options: peers.OrthancOptions | None = None, name: str = "orthanc"
        ) -> peers.Orthanc:
            return stack.enter_context(peers.orthanc(tmp_path / name, options))

        yield start


@pytest.fixture
def orthanc(start_orthanc: Callable[..., peers.Orthanc]) -> peers.Orthanc:
    """An Orthanc that accepts C-STORE from anybody."""
    return start_orthanc()


@pytest.fixture
def orthanc_dicomweb(start_orthanc: Callable[..., peers.Orthanc]) -> peers.Orthanc:
    """An Orthanc with its DICOMweb plug-in, at ``dicomweb_url``."""
    if not (peers.ORTHANC_PLUGINS / peers.DICOMWEB_PLUGIN).is_file():
        pytest.skip("Orthanc's DICOMweb plug-in is not installed")
    return start_orthanc(peers.OrthancOptions(dicomweb=True))


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[peers.StoreSCP]:
    """A storescp that accepts everything."""
    if not peers.is_installed("storescp"):
        pytest.skip("DCMTK is not installed")
    with peers.storescp(tmp_path / "storescp", "+xa") as peer:
        yield peer
