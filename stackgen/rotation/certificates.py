"""Plans for TLS: a new key and certificate, a new local authority, your own pair, and the way back."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from registry_app import issuing
from stackgen.authority import load_authority
from stackgen.certificate_pair import WORRIES, find_faults, load_chain
from stackgen.certificates import hosts_of, read_own, read_pair
from stackgen.errors import StackgenError
from stackgen.rotation.generations import authority_pair, generation_name, serving_pair
from stackgen.rotation.journal import Rotation
from stackgen.rotation.records import Record, load_records
from stackgen.rotation.steps import Put
from stackgen.secret_files import PUBLIC
from stackgen.shell import stackgen_line

if TYPE_CHECKING:
    from pathlib import Path

    from stackgen.folder import StackFolder
    from stackgen.rotation.generations import PairFolder
    from stackgen.rotation.steps import Step
    from stackgen.settings import StackSettings


def plan_leaf(folder: StackFolder, settings: StackSettings, *, now: dt.datetime) -> Rotation:
    """A new key and certificate from the authority in force. StackgenError with TLS=own."""
    _require_local(settings, "tls")
    authority = load_authority(folder, folder.resolve(settings.certs_dir))
    leaf = issuing.issue(authority, hosts_of(settings), now=now)
    chain = leaf.certificate_pem + (_vouchers(folder, settings, authority, now) or authority.certificate_pem)
    return _plan_serving(folder, settings, chain, leaf.key_pem, now=now)


def plan_own(folder: StackFolder, settings: StackSettings, chain: Path, key: Path, *, now: dt.datetime) -> Rotation:
    """A certificate of the user's own in place of the one before. StackgenError unless it fits host, date and key."""
    if settings.tls != "own":
        raise StackgenError("this stack issues its own certificates (TLS=local)", hint="set TLS=own in .env first")
    own = read_own(chain, key, settings.host, now=lambda: now)
    return _plan_serving(folder, settings, own.chain, own.key, now=now)


def plan_authority(folder: StackFolder, settings: StackSettings, *, now: dt.datetime, keep_old: int) -> Rotation:
    """A new authority and a certificate from it. Clients that trust the old one alone go on for `keep_old` seconds.

    Without that time nothing is asked of the old one, which may be lost.
    """
    _require_local(settings, "ca")
    new = issuing.make_authority(now=now)
    until = now + dt.timedelta(seconds=keep_old)
    voucher = b""
    if keep_old:
        old = load_authority(folder, folder.resolve(settings.certs_dir))
        try:
            voucher = issuing.cross_sign(old, new, now=now, until=until).public_bytes(Encoding.PEM)
        except ValueError:
            raise StackgenError(
                "this stack's authority can't vouch for the next one, as it may sign leaves alone",
                hint="give the new one to the clients at once: "
                + stackgen_line(folder, "rotate", "--keep-old", "0s", "ca"),
            ) from None
    leaf = issuing.issue(new, hosts_of(settings), now=now)
    serving, authority, name = serving_pair(folder, settings), authority_pair(folder), generation_name(now)
    chain = leaf.certificate_pem + (voucher or new.certificate_pem)
    steps, before = authority.replace(folder.root, new.certificate_pem, new.key_pem, name=name)
    leaf_steps, leaf_before = serving.replace(folder.root, chain, leaf.key_pem, name=name)
    public = f"{serving.base}/ca.crt"
    back: list[Step] = [
        authority.live(before),
        serving.live(leaf_before),
    ]
    at = now.timestamp()
    return Rotation(
        "local authority and certificate",
        (*steps, *leaf_steps),
        tuple(back),
        reloads=True,
        # Whoever fetches it from here on trusts the new one alone, so that has to be served by then.
        after=(Put(public, new.certificate_pem, PUBLIC),),
        records={
            "ca": Record(at, until.timestamp() if keep_old else None, before, leaf_before),
            "tls": Record(at, None, leaf_before),
        },
    )


def plan_undo(folder: StackFolder, settings: StackSettings, what: str, *, now: dt.datetime) -> Rotation:
    """The generation before the last rotation of `tls` or `ca` is in force again.

    StackgenError where clients would refuse it now: it is gone, has ended, is for another host or of another authority.
    """
    record = load_records(folder).get(what)
    if record is None or record.previous is None:
        raise StackgenError(
            f"no rotation of {what} to undo", hint=f"see: {stackgen_line(folder, 'rotate', '--status')}"
        )
    serving, authority = serving_pair(folder, settings), authority_pair(folder)
    back = Record(now.timestamp())
    if what == "tls":
        steps = serving.back_to(folder.root, record.previous)
        leaf = _require_good(folder, settings, record.previous, now=now)
        if settings.tls == "local":
            _require_issued(folder, settings, leaf)
        title = "TLS key and certificate, back"
        return Rotation(title, tuple(steps), _keeping(folder, serving), reloads=True, records={"tls": back})
    if record.leaf is None or serving.in_force(folder.root) != authority.in_force(folder.root):
        raise StackgenError(
            "the certificate was rotated after the authority", hint=_way_back_to_the_authoritys(folder, authority)
        )
    leaf_steps = serving.back_to(folder.root, record.leaf)
    authority_steps = authority.back_to(folder.root, record.previous)
    certificate, present = (
        (place / authority.certificate).read_bytes() for place in (folder.authority / record.previous, folder.authority)
    )
    leaf = _require_good(folder, settings, record.leaf, now=now)
    if word := _word_for_the_former(folder, settings, record, now=now):
        chain = leaf.public_bytes(Encoding.PEM) + word
        key = (folder.resolve(settings.certs_dir) / record.leaf / serving.key).read_bytes()
        leaf_steps, _ = serving.replace(folder.root, chain, key, name=generation_name(now))
    # First what clients fetch: the certificate in force is believed by whoever trusts the old authority, too.
    public = f"{serving.base}/ca.crt"
    way_back: list[Step] = [Put(public, certificate, PUBLIC), *leaf_steps, *authority_steps]
    keeping = (*_keeping(folder, authority, serving), Put(public, present, PUBLIC))
    title = "local authority and certificate, back"
    return Rotation(title, tuple(way_back), keeping, reloads=True, records={"ca": back, "tls": back})


def _keeping(folder: StackFolder, *pairs: PairFolder) -> tuple[Step, ...]:
    """The steps that bring in force what is now, should the way back be refused."""
    return tuple(pair.live(now) for pair in pairs if (now := pair.in_force(folder.root)) is not None)


def _word_for_the_former(folder: StackFolder, settings: StackSettings, record: Record, *, now: dt.datetime) -> bytes:
    """The word of the authority in force for the one before it, for as long as clients had been given to change.

    Clients that have fetched the one in force by now go on with it as those before went on with theirs. None where
    there was no such time. StackgenError where the former can't be read any more.
    """
    if record.old_until is None or record.previous is None:
        return b""
    place = folder.authority / record.previous
    certificate, key = ((place / name).read_bytes() for name in ("ca.crt", "ca.key"))
    try:
        former = issuing.load_authority(certificate=certificate, key=key)
    except (ValueError, TypeError):
        raise StackgenError(f"{place} holds no authority of stackgen's", hint=_once_more(folder, "ca")) from None
    in_force = load_authority(folder, folder.resolve(settings.certs_dir))
    until = now + dt.timedelta(seconds=record.old_until - record.at)
    return issuing.cross_sign(in_force, former, now=now, until=until).public_bytes(Encoding.PEM)


def _require_good(
    folder: StackFolder, settings: StackSettings, generation: str, *, now: dt.datetime
) -> x509.Certificate:
    """The former certificate of a generation; StackgenError where no client would take it."""
    place, serving = folder.resolve(settings.certs_dir) / generation, serving_pair(folder, settings)
    pair = read_pair(place / serving.certificate, place / serving.key)
    faults = [fault for fault in find_faults(pair, settings.host, now=now) if fault.kind not in WORRIES]
    if faults:
        raise StackgenError(f"the certificate before can't come back: {faults[0].text}", hint=_once_more(folder, "tls"))
    return load_chain(pair)[0]


def _require_issued(folder: StackFolder, settings: StackSettings, leaf: x509.Certificate) -> None:
    """StackgenError for a certificate that whoever has the authority in force would not believe."""
    authority = load_authority(folder, folder.resolve(settings.certs_dir))
    if issuing.is_issued(leaf, authority.certificate):
        return
    raise StackgenError(
        "the certificate before is of the authority before: clients that have the new one would refuse it",
        hint=f"undo both: {stackgen_line(folder, 'rotate', '--undo', 'ca')}; or {_once_more(folder, 'tls')}",
    )


def _way_back_to_the_authoritys(folder: StackFolder, authority: PairFolder) -> str:
    """What to type where the certificate in force is not the one that came with the authority."""
    before = load_records(folder).get("tls")
    if before is not None and before.previous is not None and before.previous == authority.in_force(folder.root):
        return f"undo that first: {stackgen_line(folder, 'rotate', '--undo', 'tls')}"
    return _once_more(folder, "ca")


def _once_more(folder: StackFolder, what: str) -> str:
    return f"rotate once more instead: {stackgen_line(folder, 'rotate', what)}"


def _plan_serving(
    folder: StackFolder, settings: StackSettings, chain: bytes, key: bytes, *, now: dt.datetime
) -> Rotation:
    serving = serving_pair(folder, settings)
    steps, before = serving.replace(folder.root, chain, key, name=generation_name(now))
    return Rotation(
        "TLS key and certificate",
        tuple(steps),
        (serving.live(before),),
        reloads=True,
        records={"tls": Record(now.timestamp(), None, before)},
    )


def _vouchers(folder: StackFolder, settings: StackSettings, authority: issuing.Pair, now: dt.datetime) -> bytes:
    """What the chain in force holds between leaf and authority: the old authority's word, while it is good."""
    try:
        chain = x509.load_pem_x509_certificates((folder.resolve(settings.certs_dir) / "fullchain.pem").read_bytes())
    except (OSError, ValueError):
        return b""
    ours = authority.certificate
    words = [
        c for c in chain[1:] if c.subject == ours.subject and c.issuer != ours.subject and now < c.not_valid_after_utc
    ]
    return b"".join(word.public_bytes(Encoding.PEM) for word in words)


def _require_local(settings: StackSettings, what: str) -> None:
    if settings.tls == "own":
        hint = "name the new files: stackgen rotate tls --cert FILE --key FILE"
        raise StackgenError(f"with TLS=own there is no {what} of the stack's own to rotate", hint=hint)
