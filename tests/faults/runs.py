"""Every fault run by its name, with the count that CI does and the count of a full run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from tests.faults import crashes, damage, disks, histories, memory, races, restarts, shortages, syscalls

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Run:
    """`act(folder, count=, seed=)` gives an Outcome; `why_not` a reason why it can't be done here, or None.

    CI does `few`; a full run `many`, with the arguments `in_full`.
    """

    about: str
    act: Callable
    few: int
    many: int
    why_not: Callable = lambda: None
    takes_peer: bool = False
    in_full: dict = field(default_factory=dict)


def _no_disk_kind(kind):
    return disks.why_not(kind) or (None if shutil.which(f"mkfs.{kind}") else f"needs mkfs.{kind}")


RUNS = {
    "kill": Run(about="kill -9 of the whole process group under 8 writers", act=crashes.kill_runs, few=5, many=500, takes_peer=True),
    "power-ext4": Run(about="power cuts on ext4 under 8 writers", act=partial(crashes.power_cuts, kind="ext4"), few=5, many=500, why_not=partial(_no_disk_kind, "ext4"), takes_peer=True),
    "power-xfs": Run(about="power cuts on xfs under 8 writers", act=partial(crashes.power_cuts, kind="xfs"), few=5, many=500, why_not=partial(_no_disk_kind, "xfs"), takes_peer=True),
    "syscalls": Run(about="EIO, ENOSPC or a kill at each system call of a push", act=syscalls.every_call, few=12, many=0, why_not=syscalls.why_not),
    "bits": Run(about="flipped bits, found by a scrub", act=damage.flipped_bits, few=30, many=1000),
    "full-disk": Run(about="pushes with ever different room left", act=shortages.full_disk, few=10, many=100, why_not=partial(_no_disk_kind, "ext4"), takes_peer=True),
    "read-only": Run(about="the disk becomes read-only under the service", act=shortages.read_only_disk, few=2, many=50, why_not=partial(_no_disk_kind, "ext4")),
    "memory": Run(about="the kernel kills for want of memory", act=shortages.out_of_memory, few=1, many=50, why_not=memory.why_not),
    "start": Run(about="starts after kills with 10,000 blobs in the tree", act=crashes.starts, few=1, many=20),
    "stop": Run(about="SIGSTOP of a worker under 8 writers", act=crashes.stop_runs, few=3, many=100),
    "clock": Run(about="the clock jumps by a day either way, collections follow it", act=shortages.clock_jumps, few=3, many=100),
    "races": Run(about="collections without grace beside 8 pushers", act=races.race, few=60, many=1000, takes_peer=True),
    "histories": Run(about="concurrent tag operations over restarts, linearizable", act=histories.histories, few=3, many=200, in_full={"operations": 2000}),
    "rolling": Run(about="restarts of all workers under load with large uploads", act=shortages.rolling_restarts, few=2, many=100),
    "restarts": Run(about="restarts of the workers and of the whole service behind nginx under load with large uploads", act=restarts.restarts, few=2, many=100, why_not=restarts.why_not, in_full={"megabytes": 1024, "pace": 80}),
}  # fmt: skip
