"""A power cut, emulated: what was not synced is lost, or torn, or there by luck.

A small library is preloaded into the node's processes, Python and SQLite alike: it
copies what an fsync makes durable. A cut builds the folder anew from the copies.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

_SOURCE = Path(__file__).with_name("power.c")
_BLOCK_BYTES = 4096


@dataclass(frozen=True)
class Entry:
    """A name in a directory, and the file or directory that it names."""

    is_directory: bool
    key: str
    name: str


class Disk:
    """A folder that can lose its power.

    Parameters
    ----------
    folder
        Where it lies, and the copies beside it.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "disk"
        self._shadow = folder / "shadow"
        self._after = folder / "after"
        self.root.mkdir()
        self._forget()

    def preload(self, folder: Path) -> None:
        """Let all processes that are started from here on be watched."""
        library = folder / "power.so"
        command = ["gcc", "-shared", "-fPIC", "-O1", "-o", str(library)]
        subprocess.run([*command, str(_SOURCE), "-ldl"], check=True)
        os.environ["LD_PRELOAD"] = str(library)
        os.environ["POWER_ROOT"] = str(self.root)
        os.environ["POWER_SHADOW"] = str(self._shadow)

    def cut(self, chance: Random) -> None:
        """Leave what was synced, and by chance some of the rest."""
        lucky = chance if chance.random() < 0.5 else None
        now = {_key(path): path for path in (self.root, *self.root.rglob("*"))}
        self._rebuild(_key(self.root), self._after, now, lucky)
        shutil.rmtree(self.root)
        self._after.rename(self.root)
        self._forget()

    def _forget(self) -> None:
        """Call everything durable that is there."""
        shutil.rmtree(self._shadow, ignore_errors=True)
        self._shadow.mkdir()
        for path in (self.root, *self.root.rglob("*")):
            kept = self._shadow / _key(path)
            if path.is_dir():
                lines = (_line(entry) for entry in _present(path))
                kept.write_text("".join(lines), encoding="utf-8")
            else:
                shutil.copyfile(path, kept)

    def _rebuild(
        self, key: str, target: Path, now: dict[str, Path], lucky: Random | None
    ) -> None:
        target.mkdir()
        for entry in self._names(key, now.get(key), lucky):
            there = target / entry.name
            if entry.is_directory:
                self._rebuild(entry.key, there, now, lucky)
            else:
                there.write_bytes(self._content(entry.key, now.get(entry.key), lucky))

    def _names(
        self, key: str, present: Path | None, lucky: Random | None
    ) -> list[Entry]:
        kept = self._shadow / key
        synced = {one.name: one for one in _listed(kept)} if kept.exists() else {}
        if lucky is None or present is None:
            return list(synced.values())
        current = {one.name: one for one in _present(present)}
        chosen = (
            lucky.choice((synced, current)).get(name)
            for name in sorted(synced | current)
        )
        return [entry for entry in chosen if entry is not None]

    def _content(self, key: str, present: Path | None, lucky: Random | None) -> bytes:
        kept = self._shadow / key
        synced = kept.read_bytes() if kept.exists() else b""
        if lucky is None or present is None:
            return synced
        current = present.read_bytes()
        length = lucky.choice((len(synced), len(current)))
        blocks = (
            lucky.choice((synced, current))[at : at + _BLOCK_BYTES].ljust(
                min(_BLOCK_BYTES, length - at), b"\0"
            )
            for at in range(0, length, _BLOCK_BYTES)
        )
        return b"".join(blocks)[:length]


def _key(path: Path) -> str:
    """Name an inode as the library does."""
    return str(path.stat().st_ino)


def _present(directory: Path) -> Iterator[Entry]:
    for path in directory.iterdir():
        yield Entry(path.is_dir(), _key(path), path.name)


def _line(entry: Entry) -> str:
    return f"{'d' if entry.is_directory else 'f'} {entry.key} {entry.name}\n"


def _listed(kept: Path) -> Iterator[Entry]:
    for line in kept.read_text(encoding="utf-8").splitlines():
        kind, key, name = line.split(" ", 2)
        yield Entry(kind == "d", key, name)
