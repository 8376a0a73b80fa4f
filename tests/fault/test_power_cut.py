"""A power cut, as the disk sees it: what was not flushed is gone. All that was answered with 200 before it arrives."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.load import QUICK, account, eventually, loading, set_up
from tests.integration.receiver import receiving
from tests.whole import running, until

pytestmark = [pytest.mark.fault, pytest.mark.root, pytest.mark.timeout(300)]

CUTS = 3
# fs/ext4/ext4.h: stop the file system at once; NOLOGFLUSH drops even what its journal holds and has not written.
_EXT4_IOC_SHUTDOWN = 0x8004587D
_NOLOGFLUSH = 2


async def test_all_that_was_answered_with_200_before_a_power_cut_arrives(tmp_path: Path) -> None:
    folder = tmp_path / "whole"
    limits = {"MIDSTREAM_LOG_MAX_BYTES": str(64 * 1024 * 1024)}
    with disk_at(folder / "data") as disk, running(folder, **QUICK, **limits) as whole:
        async with receiving() as receiver:
            arrivals = await set_up(whole, receiver)
            doubtful: set[str] = set()
            async with loading(whole) as load:
                for _ in range(CUTS):
                    enough = len(arrivals) + random.randint(300, 900)
                    await eventually(lambda enough=enough: len(arrivals) >= enough, seconds=90)
                    promised = set(load.accepted)
                    disk.cut_power()
                    whole.kill_everything()
                    await asyncio.to_thread(disk.remount)
                    # Answers that came in meanwhile may have been given before or after the cut.
                    doubtful |= load.accepted.keys() - promised
                    await asyncio.to_thread(whole.start)
            share = await account(
                f"cut the power {CUTS} times", whole, load, arrivals, ids=load.accepted.keys() - doubtful
            )
            print(  # noqa: T201 # the figures are what this is for
                f"answered too near a cut to say: {len(doubtful)}, not arrived: {len(doubtful - arrivals.copies.keys())}"
            )
            assert share < 0.2


class Disk:
    """An ext4 image on a loop device, mounted in a folder."""

    def __init__(self, image: Path, folder: Path) -> None:
        self._image, self._folder = image, folder

    def mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", self._image, self._folder], check=True, capture_output=True, text=True)

    def cut_power(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _EXT4_IOC_SHUTDOWN, struct.pack("I", _NOLOGFLUSH))
        finally:
            os.close(handle)

    def unmount(self) -> None:
        """Unmount, which also gives the loop device back. Who was killed may take a moment to let go of it."""

        def unmounted() -> bool:
            subprocess.run(["umount", self._folder], check=False, capture_output=True)
            return not self._folder.is_mount()

        until(unmounted, seconds=20)

    def remount(self) -> None:
        """Mount what a power cut left: the journal is replayed as after a crash."""
        self.unmount()
        self.mount()


@contextlib.contextmanager
def disk_at(folder: Path) -> Iterator[Disk]:
    """Mount a new disk in a folder, and take it away at the end; skip where the machine does not let us."""
    if os.geteuid() != 0:
        pytest.skip("a power cut needs root, for a loop device and mount")
    folder.mkdir(parents=True)
    image = folder.parent / "disk.img"
    disk = Disk(image, folder)
    try:
        _try_out(disk, image)
        yield disk
    finally:
        if folder.is_mount():
            disk.unmount()
        image.unlink(missing_ok=True)


def _try_out(disk: Disk, image: Path) -> None:
    """Make the file system and cut its power once beforehand: not every machine lets us."""
    with image.open("wb") as file:
        file.truncate(512 * 1024 * 1024)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, capture_output=True, text=True)
        disk.mount()
        disk.cut_power()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no disk to cut the power of: `{' '.join(map(str, error.cmd))}` failed: {error.stderr.strip()}")
    except OSError as error:
        pytest.skip(
            f"no disk to cut the power of: {error.filename or 'ioctl EXT4_IOC_SHUTDOWN'} failed: {error.strerror}"
        )
    disk.remount()
