"""The audit log: whole lines, bounded files, no request lost for its sake."""

from __future__ import annotations

import json
import multiprocessing
import resource
from pathlib import Path

import pytest

from registry_app.access import open_audit_logs
from registry_app.auth.audit import AuditLog


def entries(path):
    """Every line of every file that is not empty, parsed."""
    return [
        json.loads(line) for file in sorted(path.parent.glob("*.log")) for line in file.read_text().splitlines() if line
    ]


def test_a_line_says_who_from_where_what_and_how_it_ended(tmp_path):
    """In JSON, with the time in UTC, without fields that have no value."""
    log = AuditLog(tmp_path / "logs" / "audit.log", clock=lambda: 1_800_000_000.25)
    log.record("push", user="alice", address="192.0.2.1", result="201", repository="a/b", digest=None)
    (entry,) = entries(tmp_path / "logs" / "audit.log")
    assert entry == {
        "time": "2027-01-15T08:00:00.250Z",
        "event": "push",
        "user": "alice",
        "address": "192.0.2.1",
        "repository": "a/b",
        "result": "201",
    }
    assert (tmp_path / "logs" / "audit.log").stat().st_mode & 0o777 == 0o640


def test_what_clients_choose_can_neither_break_a_line_nor_fill_the_disk(tmp_path):
    """Newlines are escaped, long values cut."""
    log = AuditLog(tmp_path / "audit.log")
    log.record("push", user='a"\n{', address="x", result="\x1b[2J", repository="r" * 10_000)
    (entry,) = entries(tmp_path / "audit.log")
    assert entry["user"] == 'a"\n{'
    assert len(entry["repository"]) == 512


def write_many(path, number):
    """One process's share."""
    log = AuditLog(path, full=20_000)
    for count in range(500):
        log.record("push", user=f"user{number}", address="x", result="201", count=count)


def test_processes_that_write_while_the_file_is_put_aside_lose_no_line(tmp_path):
    """Four processes, some thirty files."""
    context = multiprocessing.get_context("spawn")
    path = tmp_path / "audit.log"
    workers = [context.Process(target=write_many, args=(path, number)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    found = entries(path)
    assert {(e["user"], e["count"]) for e in found} == {(f"user{n}", c) for n in range(4) for c in range(500)}
    assert len(found) == 2000
    assert len(list(tmp_path.iterdir())) > 5


def test_old_files_go(tmp_path):
    """No more than were asked for stay, the newest of them."""
    ticks = iter(range(1_800_000_000, 1_900_000_000))
    log = AuditLog(tmp_path / "audit.log", full=1, kept=3, clock=lambda: next(ticks))
    for count in range(10):
        log.record("push", user=None, address="x", result="201", count=count)
    assert [e["count"] for e in entries(tmp_path / "audit.log")][-2:] == [8, 9]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_file_that_was_taken_away_is_made_anew(tmp_path):
    """By logrotate, say."""
    log = AuditLog(tmp_path / "audit.log")
    log.record("push", user=None, address="x", result="one")
    (tmp_path / "audit.log").rename(tmp_path / "elsewhere.log")
    log.record("push", user=None, address="x", result="two")
    assert json.loads((tmp_path / "audit.log").read_text())["result"] == "two"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_and_stops_no_request(caplog):
    """Readiness says so until a line can be written again."""
    log = AuditLog(Path("/dev/full"))
    log.record("push", user=None, address="x", result="201")
    log.record("push", user=None, address="x", result="201")
    assert "No space left" in log.problem
    assert len(caplog.records) == 1


def test_a_line_that_a_full_disk_cut_short_spoils_no_other(tmp_path):
    """The cut is told at once; what comes when there is room again has a line of its own."""
    path = tmp_path / "audit.log"
    log = AuditLog(path)
    log.record("push", user="alice", address="x", result="201")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, before[1]))
    try:
        log.record("push", user="alice", address="x", result="202")
        assert "No space left" in log.problem
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    for writer in (log, AuditLog(path)):
        writer.record("delete", user="bob", address="x", result="202")
    whole, cut, *after = path.read_text().splitlines()
    assert json.loads(whole)["user"] == "alice"
    assert cut == whole[:10]
    assert [json.loads(line)["event"] for line in after] == ["delete", "delete"]


def test_a_flood_of_failed_logins_is_listed_and_pushes_no_write_out(tmp_path):
    """Each has its line, in a file of its own, whose rotation leaves the other's files alone."""
    audit, logins = open_audit_logs(tmp_path / "audit.log")
    logins._full, logins._kept = 2000, 3
    audit.record("push", user="alice", address="192.0.2.1", result="201")
    for number in range(500):
        logins.record("login", user=None, address="192.0.2.9", result="wrong name or password", count=number)
    assert [entry["event"] for entry in entries(tmp_path / "audit.log") if entry["event"] != "login"] == ["push"]
    listed = sorted(entry["count"] for entry in entries(tmp_path / "audit.log") if entry["event"] == "login")
    assert listed == list(range(listed[0], 500))
    assert len(list(tmp_path.glob("audit.logins-*.log"))) == 3
    assert json.loads((tmp_path / "audit.log").read_text())["event"] == "push"
