"""File systems on loop devices whose power can be cut."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

FS_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
PATIENCE = 60  # seconds
# Without blocks for root alone: who runs the tests as root would find room on a full disk.
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F", "-m", "0"], "xfs": ["mkfs.xfs", "-q", "-f"]}


def why_not(kind="ext4"):
    """Why no such disk can be made here, None if it can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [name for name in (MAKE[kind][0], "mount", "losetup") if not shutil.which(name)]
    if missing:
        return f"needs {', '.join(missing)}"
    if not Path("/dev/loop-control").exists():
        return "needs loop devices"
    return None


class Disk:
    """A file system in a file, mounted on a folder."""

    def __init__(self, folder, kind, megabytes):
        self.image, self.mount, self.kind = folder / f"{kind}.img", folder / f"{kind}.mnt", kind
        self.mount.mkdir(parents=True)
        with self.image.open("wb") as image:
            image.truncate(megabytes << 20)
        subprocess.run([*MAKE[kind], self.image], check=True, capture_output=True)

    def attach(self, options="loop"):
        """Mounts it; the journal is replayed as after a real power cut.

        A container that starts just then has all mounts of the host for a moment, and keeps what was unmounted alive,
        without its power: that is let go first.
        """
        end = time.monotonic() + PATIENCE
        while True:
            subprocess.run(["mount", "-o", options, self.image, self.mount], check=True, capture_output=True)
            try:
                list(self.mount.iterdir())
            except OSError:
                if time.monotonic() > end:
                    raise
                self.detach()
                time.sleep(0.1)
            else:
                return

    def detach(self):
        """Unmounts it, whatever state it is in; processes that were killed may take their time to let go of it.

        Never lazily: the next mount would find the file system that was cut off still alive.
        """
        end = time.monotonic() + PATIENCE
        while (done := subprocess.run(["umount", self.mount], check=False, capture_output=True)).returncode:
            if time.monotonic() > end:
                raise OSError(f"{self.mount} can't be unmounted: {done.stderr!r}")
            time.sleep(0.05)

    def cut_power(self):
        """Nothing reaches the disk from here on, not even what the journal holds in memory."""
        descriptor = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def remount(self, mode):
        """Makes it read-only (`ro`) or writable (`rw`) under the registry's feet, in a moment in which it writes nothing."""
        command = ["mount", "-o", f"remount,{mode}", self.mount]
        end = time.monotonic() + 20
        while subprocess.run(command, check=False, capture_output=True).returncode != 0:
            if time.monotonic() > end:
                subprocess.run(command, check=True)
            time.sleep(0.1)


@contextmanager
def disk(folder, kind="ext4", megabytes=512):
    """A mounted disk, taken apart at the end."""
    made = Disk(folder, kind, megabytes)
    made.attach()
    try:
        yield made
    finally:
        made.detach()
        made.image.unlink()
