"""A file system of its own in a loop-mounted image: to cut its power, and to fill it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.servers import wait_until

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
UNMOUNT_SECONDS_MAX = 20.0
CLEAN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


class Disk:
    """An ext4 file system of 4 KiB blocks: with 1 KiB a full disk ends a reader by SIGBUS."""

    def __init__(self, folder: Path, *, mebibytes: int) -> None:
        self.image = folder / "disk.img"
        self.path = folder / "disk"
        self.path.mkdir()
        with self.image.open("wb") as image:
            image.truncate(mebibytes << 20)
        _run("mkfs.ext4", "-q", "-F", "-b", "4096", str(self.image))
        self.mount()

    def mount(self) -> None:
        """Mount it; after a power cut the file system replays its own journal here."""
        _run("mount", "-o", "loop", str(self.image), str(self.path))

    def unmount(self) -> None:
        """Unmount it, as soon as the threads of a killed process let go of their files."""
        wait_until(self._is_unmounted, f"{self.path} is unmounted", UNMOUNT_SECONDS_MAX)

    def _is_unmounted(self) -> bool:
        try:
            _run("umount", str(self.path))
        except subprocess.CalledProcessError:
            return not self.path.is_mount()
        return True

    def cut_power(self) -> None:
        """Stop the file system at once: what was not synced never reaches the image."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def disk(folder: Path, *, mebibytes: int = 128) -> Iterator[Disk]:
    """Lend a mounted disk; it is unmounted behind it, whatever happened."""
    made = Disk(folder, mebibytes=mebibytes)
    try:
        yield made
    finally:
        made.unmount()


def missing_disk() -> str:
    """Say why no disk can be made here, if none can."""
    if os.geteuid():
        return "loop mounts need root"
    if not shutil.which("mkfs.ext4", path=CLEAN["PATH"]):
        return "mkfs.ext4 is not installed"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with disk(Path(folder), mebibytes=16):
                return ""
        except (OSError, subprocess.CalledProcessError) as error:
            return f"no loop mount is possible here ({error})"


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, env=CLEAN)
