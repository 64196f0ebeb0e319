"""A foreign audit record repository: rsyslog, over TLS and UDP."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.factories.certificates import self_signed

_CONF = """
global(workDirectory="{folder}" maxMessageSize="64k"
       defaultNetstreamDriverCAFile="{certificate}"
       defaultNetstreamDriverCertFile="{certificate}"
       defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1"
       StreamDriver.Authmode="anon")
module(load="imudp")
template(name="whole" type="string" string="%pri%|%app-name%|%msgid%|%msg%\\n")
input(type="imtcp" port="{tls}" address="127.0.0.1")
input(type="imudp" port="{udp}" address="127.0.0.1")
action(type="omfile" file="{folder}/received" template="whole")
"""


@contextmanager
def rsyslog(folder: Path, tls_port: int, udp_port: int) -> Iterator[Path]:
    """Run it; what it received stands in the file that is yielded, line by line."""
    program = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin")
    driver = next(Path("/usr/lib").glob("*/rsyslog/lmnsd_ossl.so"), None)
    if program is None or driver is None:
        pytest.skip("rsyslog with rsyslog-openssl is not installed")
    folder.mkdir(exist_ok=True)
    if not (folder / "certificate.pem").exists():
        self_signed(folder)
    files = {"certificate": folder / "certificate.pem", "key": folder / "key.pem"}
    conf = folder / "rsyslog.conf"
    conf.write_text(_CONF.format(folder=folder, tls=tls_port, udp=udp_port, **files))
    words = [program, "-n", "-f", str(conf), "-i", str(folder / "pid")]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        yield folder / "received"
    finally:
        process.terminate()
        process.wait(60)
