"""How old each secret of a stack is, and what is due."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from stackgen.profiles import kept_secrets
from stackgen.rotation.records import load_records
from stackgen.rotation.secrets import load_users, record_of
from stackgen.shell import stackgen_line

if TYPE_CHECKING:
    from pathlib import Path

    from stackgen.folder import StackFolder
    from stackgen.rotation.records import Record
    from stackgen.settings import StackSettings

SECRET_LIFE = dt.timedelta(days=365)
"""After this a rotation is due."""
LEAF_SHARE = 2 / 3
"""Of a certificate's life, after which it is due: time is left for what goes wrong."""
AUTHORITY_MARGIN = dt.timedelta(days=397 * 2)
"""Before an authority's end: its leaves and its successor's overlap need that long."""


@dataclass(frozen=True, slots=True)
class Age:
    """One secret: days since it changed (None: not known), whether it is due, and what else there is to say."""

    what: str
    days: int | None
    due: bool
    remark: str = ""

    @property
    def age_text(self) -> str:
        """For people."""
        return "?" if self.days is None else f"{self.days} day{'' if self.days == 1 else 's'}"

    def to_json(self) -> dict[str, object]:
        """For machines."""
        return asdict(self)


def load_status(folder: StackFolder, settings: StackSettings, *, now: dt.datetime) -> list[Age]:
    """Every secret that `rotate` knows, as it is at `now`."""
    records = load_records(folder)
    certs = folder.resolve(settings.certs_dir)
    rows = [
        _secret_age(
            folder,
            ("password", "--user", user),
            records.get(record_of(user)),
            file=folder.admin_password if user == settings.registry_admin_user else None,
            now=now,
        )
        for user in sorted(load_users(folder).hashes)
    ]
    rows.append(_secret_age(folder, ("http-secret",), records.get("http-secret"), file=folder.http_secret, now=now))
    rows.append(_leaf_age(certs / "fullchain.pem", now))
    rows += [
        _secret_age(folder, (word,), records.get(word), file=folder.root / secret.path, now=now)
        for word, secret in kept_secrets(settings.compose_profiles).items()
    ]
    if settings.tls == "local":
        rows.append(_authority_age(folder.authority / "ca.crt", records.get("ca"), now))
    return rows


def _secret_age(
    folder: StackFolder, words: tuple[str, ...], record: Record | None, *, file: Path | None, now: dt.datetime
) -> Age:
    """The age of what `rotate` changes with these words, by its record, or else by the file that tells it."""
    what = " ".join(word for word in words if word != "--user")
    at = record.at if record else (file.stat().st_mtime if file and file.exists() else None)
    if at is None:
        return Age(what, None, due=False, remark="changed by another tool, or never")
    age = now - dt.datetime.fromtimestamp(at, dt.UTC)
    due = age > SECRET_LIFE
    remarks = [f"due: {stackgen_line(folder, 'rotate', *words)}"] if due else []
    return Age(what, max(0, age.days), due, "; ".join(remarks + _old_one(record, now)))


def _leaf_age(chain: Path, now: dt.datetime) -> Age:
    certificate = _load(chain)
    if certificate is None:
        return Age("tls", None, due=True, remark=f"due: {chain} can't be read")
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    due = now > begin + (end - begin) * LEAF_SHARE
    return Age("tls", (now - begin).days, due, f"{'due: ' if due else ''}valid until {end:%Y-%m-%d}")


def _authority_age(file: Path, record: Record | None, now: dt.datetime) -> Age:
    certificate = _load(file)
    if certificate is None:
        return Age("ca", None, due=True, remark=f"due: {file} can't be read")
    end = certificate.not_valid_after_utc
    due = now > end - AUTHORITY_MARGIN
    remarks = [f"{'due: ' if due else ''}valid until {end:%Y-%m-%d}", *_old_one(record, now)]
    return Age("ca", (now - certificate.not_valid_before_utc).days, due, "; ".join(remarks))


def _old_one(record: Record | None, now: dt.datetime) -> list[str]:
    if record is None or record.old_until is None or record.old_until <= now.timestamp():
        return []
    return [f"the one before is valid until {dt.datetime.fromtimestamp(record.old_until, dt.UTC):%Y-%m-%d %H:%M} UTC"]


def _load(file: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError):
        return None
