"""What is special about a bucket: answers that say no, parts, youth, prefixes."""

import io
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from storage.errors import StoreFull, StoreMismatch, StoreUnavailable
from storage.objects.bucket import Bucket, Entry
from storage.objects.mark import Mark, MarkFile, MarkObject
from storage.objects.s3 import S3ObjectStore
from tests.peers import s3
from tests.peers.s3 import moto_url

__all__ = ["moto_url"]

NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


@pytest.fixture
def bucket(moto_url):
    return s3.make_bucket(moto_url, f"b{uuid.uuid4().hex}", multipart_bytes=6 << 20)


@pytest.fixture
def store(bucket, tmp_path):
    return S3ObjectStore(bucket, tmp_path / "here")


@pytest.fixture
def answering():
    """Makes a bucket whose store gives one answer to everything."""
    servers = []

    def answering(status, code=""):
        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = answer  # noqa: N815  http.server's
            do_HEAD = answer  # noqa: N815  http.server's
            do_PUT = answer  # noqa: N815  http.server's
            do_DELETE = answer  # noqa: N815  http.server's

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # A connection that is kept and asks nothing more must not keep us.
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        url = f"http://127.0.0.1:{server.server_port}"
        return Bucket(s3.place(url, "there", retry_s=0.1))

    yield answering
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("status", "code", "kind", "said"),
    [
        (403, "SignatureDoesNotMatch", StoreUnavailable, "secret access key is wrong"),
        (403, "InvalidAccessKeyId", StoreUnavailable, "does not know the access key"),
        (403, "RequestTimeTooSkewed", StoreUnavailable, "clock"),
        (403, "AccessDenied", StoreUnavailable, "policy"),
        (403, "", StoreUnavailable, "refuses the credentials"),
        (404, "NoSuchBucket", StoreUnavailable, "no such bucket"),
        (404, "", StoreUnavailable, "does not find"),
        (403, "QuotaExceeded", StoreFull, "no space left"),
        (507, "InsufficientStorage", StoreFull, "no space left"),
        (503, "SlowDown", StoreUnavailable, "fewer requests"),
        (500, "InternalError", StoreUnavailable, "InternalError"),
        (500, "", StoreUnavailable, "does not answer"),
    ],
)
def test_a_store_that_does_not_take_an_object_says_why_in_one_line(
    answering, tmp_path, status, code, kind, said
):
    store = S3ObjectStore(answering(status, code), tmp_path)
    with pytest.raises(kind, match=said) as refusal:
        store.put(io.BytesIO(b"abc"))
    assert "\n" not in str(refusal.value)
    assert list((tmp_path / "incoming").iterdir()) == []
    assert store.sweep() == 0


def test_a_missing_bucket_is_no_missing_object(moto_url, store, tmp_path):
    stored = store.put(io.BytesIO(b"abc"))
    lost = S3ObjectStore(Bucket(s3.place(moto_url, "lost")), tmp_path / "other")
    for look in (lost.open, lost.stored_at, lost.verify):
        with pytest.raises(StoreUnavailable, match="no such bucket"):
            look(stored.key)


def test_a_large_object_goes_in_parts_and_is_put_once(store):
    content = bytes(range(256)) * (10 << 12)
    stored = store.put(io.BytesIO(content))
    assert stored == store.put(io.BytesIO(content))
    store.verify(stored.key)
    assert list(store.keys()) == [stored.key]


def test_what_lies_there_with_another_length_is_replaced(store, bucket):
    stored = store.put(io.BytesIO(b"abc"))
    bucket.replace(f"objects/{stored.key}", b"ab")
    store.put(io.BytesIO(b"abc"))
    store.verify(stored.key)


def test_what_is_old_is_put_again_so_that_retention_leaves_it(bucket, tmp_path):
    class Aged(Bucket):
        ages: list[str] = []  # noqa: RUF012  of this test alone

        def look(self, name: str) -> Entry | None:
            found = super().look(name)
            return found and replace(found, at=found.at - timedelta(days=30))

        def replace(self, name, content):
            self.ages.append(name)
            super().replace(name, content)

    aged = Aged(bucket.place)
    store = S3ObjectStore(aged, tmp_path)
    stored = store.put(io.BytesIO(b"abc"))
    assert aged.ages == []
    store.put(io.BytesIO(b"abc"))
    assert aged.ages == [f"objects/{stored.key}"]


def test_nodes_with_prefixes_of_their_own_share_a_bucket(bucket, tmp_path):
    stores = [
        S3ObjectStore(Bucket(replace(bucket.place, prefix=name)), tmp_path / name)
        for name in ("north", "south")
    ]
    stored = stores[0].put(io.BytesIO(b"abc"))
    assert list(stores[0].keys()) == [stored.key]
    assert list(stores[1].keys()) == []


def test_what_somebody_else_left_in_the_bucket_is_no_object(store, bucket):
    bucket.replace("objects/readme.txt", b"hello")
    bucket.replace("aside/readme.txt", b"hello")
    assert list(store.keys()) == []
    assert list(store.aside()) == []


def test_a_bucket_has_no_mark_until_one_is_written(bucket, tmp_path):
    place = MarkObject(bucket, MarkFile(tmp_path).locked)
    assert place.read() is None
    mark = Mark.new(NOW)
    with place.locked():
        place.write(mark)
        later = replace(mark, generation=5)
        place.write(later)
    assert MarkObject(bucket, MarkFile(tmp_path).locked).read() == later


def test_two_databases_cannot_both_take_an_empty_bucket(bucket, tmp_path):
    one, other = (MarkObject(bucket, MarkFile(tmp_path).locked) for _ in range(2))
    assert one.read() is None
    assert other.read() is None
    one.write(Mark.new(NOW))
    with pytest.raises(StoreMismatch, match="another database"):
        other.write(Mark.new(NOW))


def test_a_mark_that_is_none_is_refused_with_the_way_out(bucket, tmp_path):
    bucket.replace("store.json", b"[]")
    with pytest.raises(StoreMismatch, match="cxr-node adopt"):
        MarkObject(bucket, MarkFile(tmp_path).locked).read()
