"""The file store: durability, crashes and full disks."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage.errors import StoreFull
from storage.objects.files import FileObjectStore

ROOT = Path(__file__).resolve().parents[4]
MEGABYTE = b"\x5a" * (1 << 20)


@pytest.fixture
def store(tmp_path) -> FileObjectStore:
    return FileObjectStore(tmp_path)


def leftovers(root: Path) -> list[Path]:
    return list((root / "incoming").iterdir())


def test_the_layout_on_disk_is_one_level_of_directories(store, tmp_path):
    stored = store.put(io.BytesIO(b"abc"))
    expected = tmp_path / "objects" / stored.sha256[:2] / stored.sha256
    with store.local(stored.key) as path:
        assert path == expected
    assert leftovers(tmp_path) == []


def test_a_missing_directory_is_made_again(store, tmp_path):
    stored = store.put(io.BytesIO(b"abc"))
    store.delete(stored.key)
    (tmp_path / "objects" / stored.sha256[:2]).rmdir()
    store.verify(store.put(io.BytesIO(b"abc")).key)


def test_a_commit_fsyncs_the_file_then_names_it_then_fsyncs_the_name(tmp_path):
    """The order that durability rests on, as the kernel saw it."""
    strace = Path("/usr/bin/strace")
    if not strace.exists():
        pytest.skip("strace is not installed")
    program = (
        "import io, sys, pathlib; from storage.objects.files import FileObjectStore\n"
        "store = FileObjectStore(pathlib.Path(sys.argv[1]))\n"
        "print('MARK', flush=True)\n"
        "store.put(io.BytesIO(b'abc'))\n"
    )
    log = tmp_path / "calls"
    trace = [str(strace), "-f", "-e", "trace=fsync,rename,write", "-o", str(log)]
    subprocess.run(
        [*trace, sys.executable, "-c", program, str(tmp_path / "store")],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    calls = log.read_text().rpartition("MARK")[2].splitlines()
    names = [
        call.split("(")[0].split()[-1]
        for call in calls
        if "fsync(" in call or "rename(" in call
    ]
    assert names == ["fsync", "rename", "fsync"]


def test_a_file_that_a_crash_left_is_swept(store, tmp_path):
    program = (
        "import os, sys, pathlib; from storage.objects.files import FileObjectStore\n"
        "store = FileObjectStore(pathlib.Path(sys.argv[1]))\n"
        "incoming = store.incoming()\n"
        "incoming.write(b'half an image')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=False
    )
    assert killed.returncode == -9
    assert len(leftovers(tmp_path)) == 1
    assert store.sweep() == 1
    assert leftovers(tmp_path) == []
    assert list(store.keys()) == []


def test_a_sweep_leaves_alone_what_is_being_written(store, tmp_path):
    incoming = store.incoming()
    incoming.write(MEGABYTE)
    assert FileObjectStore(tmp_path).sweep() == 0
    store.verify(incoming.commit().key)
    assert store.sweep() == 0


def test_write_back_is_started_without_harm_to_the_content(store):
    incoming = store.incoming()
    for _ in range(10):
        incoming.write(MEGABYTE)
    stored = incoming.commit()
    assert stored.size_bytes == 10 * len(MEGABYTE)
    store.verify(stored.key)


def test_the_watermark_stops_an_object_on_its_way(tmp_path):
    free = os.statvfs(tmp_path)
    # Room for a few megabytes above the watermark, whatever else the disk does.
    watermark_bytes = free.f_bavail * free.f_frsize - 64 * len(MEGABYTE)
    store = FileObjectStore(tmp_path, watermark_bytes=watermark_bytes)
    incoming = store.incoming()

    def write_on() -> None:
        for _ in range(400):
            incoming.write(MEGABYTE)

    with pytest.raises(StoreFull):
        write_on()
    assert leftovers(tmp_path) == []


def test_a_full_disk_leaves_nothing_half_written_and_recovers(small_disk):
    store = FileObjectStore(small_disk)
    kept = store.put(io.BytesIO(b"kept"))
    incoming = store.incoming()
    incoming.write(MEGABYTE)
    with pytest.raises(StoreFull):
        incoming.write(MEGABYTE)
    with pytest.raises(StoreFull):
        store.put(io.BytesIO(MEGABYTE * 3))
    assert leftovers(small_disk) == []
    store.verify(store.put(io.BytesIO(MEGABYTE)).key)
    store.verify(kept.key)


def test_no_file_descriptor_is_left_behind(store):
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    store.put(io.BytesIO(b"warm up"))
    before = descriptors()
    for number in range(20):
        store.put(io.BytesIO(b"%d" % number))
        incoming = store.incoming()
        incoming.write(b"x")
        incoming.abort()
    assert descriptors() == before
