"""What the settings say about collections, scrubs and purges."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from registry_app.gc.plan import Policy
from registry_app.gc.schedule import Schedule

if TYPE_CHECKING:
    from registry_app.settings import RegistrySettings


def policy_of(
    settings: RegistrySettings, *, untagged: bool | None = None, grace: float | None = None, trash: float | None = None
) -> Policy:
    """The policy of the settings, with what a command says instead."""
    collection, purge = settings.collection, settings.purge
    return Policy(
        grace=collection.grace if grace is None else grace,
        trash=collection.trash if trash is None else trash,
        untagged=collection.untagged if untagged is None else untagged,
        stale_upload=purge.age if purge.enabled and not purge.dry_run else None,
    )


def schedule_of(settings: RegistrySettings) -> Schedule:
    """When what runs inside the service."""
    collection, scrub, purge = settings.collection, settings.scrub, settings.purge
    return Schedule(
        # Uploads are purged by a schedule of their own, which upstream's keys tell, with or without collections.
        policy=replace(policy_of(settings), stale_upload=None),
        collect_every=collection.interval if collection.enabled else None,
        scrub_every=scrub.interval if scrub.enabled else None,
        scrub_rate=scrub.rate,
        purge_every=purge.interval if purge.enabled else None,
        stale_upload=purge.age,
        purge_only_named=purge.dry_run,
    )
