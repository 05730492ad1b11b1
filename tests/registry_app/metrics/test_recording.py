"""What is counted, and that nobody can make more series of it than the table allows."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from registry_app.errors import ErrorCode
from registry_app.metrics.definitions import BY_NAME, DEFINITIONS, AtMost, Kind
from registry_app.metrics.exposition import Exposition
from registry_app.metrics.observation import Observation
from registry_app.metrics.recent import Recent, top
from registry_app.metrics.recording import Recorder
from registry_app.metrics.rows import place_of
from registry_app.metrics.traffic import MOST_WAITING, Traffic, asked_for_right, ending_of


def samples(recorder, sources=None):
    """(name, labels) → value of everything on the page."""
    page = Exposition(recorder, sources or {}, shared=None).render().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def exchange(traffic, *, method, handler, status, asked=None, received=0, sent=0, interrupted=False):
    """One request from begin to end."""
    operation = traffic.operation(handler, method)
    operation.open.append(None)
    traffic.ended((ending_of(operation, status, asked), 0.1, received, sent, interrupted, None))
    traffic.count()


@given(st.lists(st.tuples(st.text(), st.text(), st.integers(-5, 1000)), max_size=50))
def test_methods_handlers_and_codes_of_any_shape_fall_into_the_listed_values(requests):
    """Whatever a client sends ends in a label that the table knows."""
    recorder = Recorder()
    traffic = Traffic(recorder, Recent())
    for method, handler, status in requests:
        exchange(traffic, method=method, handler=handler, status=status)
    for name, labels in samples(recorder):
        definition = BY_NAME.get(name) or BY_NAME[name.rpartition("_")[0]]
        for label, value in labels:
            assert label == "le" or value in definition.labels[label]


def test_a_push_a_pull_and_a_delete_are_counted_with_their_bytes():
    """Images are counted by their manifests, bytes by whatever carries them."""
    recorder = Recorder()
    traffic = Traffic(recorder, Recent())
    exchange(traffic, method="PATCH", handler="blob_upload_chunk", status=202, received=1000)
    exchange(traffic, method="PUT", handler="manifest", status=201, received=50)
    exchange(traffic, method="PUT", handler="manifest", status=507, received=50)
    exchange(traffic, method="GET", handler="manifest", status=200, sent=50)
    exchange(traffic, method="GET", handler="blob", status=206, sent=700)
    exchange(traffic, method="GET", handler="blob", status=200, sent=300, interrupted=True)
    exchange(traffic, method="DELETE", handler="manifest", status=202)
    found = samples(recorder)
    assert found["registry_pushes_total", (("outcome", "ok"),)] == 1
    assert found["registry_pushes_total", (("outcome", "failed"),)] == 1
    assert found["registry_pushed_bytes_total", (("outcome", "ok"),)] == 1050
    assert found["registry_pushed_bytes_total", (("outcome", "failed"),)] == 50
    assert found["registry_pulls_total", (("outcome", "ok"),)] == 1
    assert found["registry_pulled_bytes_total", (("outcome", "ok"),)] == 750
    assert found["registry_pulled_bytes_total", (("outcome", "interrupted"),)] == 300
    assert found["registry_deletes_total", (("outcome", "ok"),)] == 1
    assert found["registry_http_requests_total", (("code", "507"), ("handler", "manifest"), ("method", "put"))] == 1
    assert all(value == 0 for (name, _), value in found.items() if name == "registry_http_in_flight_requests")


def test_what_was_no_request_is_counted_by_its_code_alone():
    """No time is told of it, for nobody measured one; a status of its own is not made up for it."""
    recorder = Recorder()
    traffic = Traffic(recorder, Recent())
    for status in (431, 431, 599):
        traffic.refused(status)
    counted = {labels: number for (_, labels), number in samples(recorder).items() if number}
    assert counted == {
        (("code", "431"), ("handler", "none"), ("method", "unknown")): 2,
        (("code", "other"), ("handler", "none"), ("method", "unknown")): 1,
    }


def test_an_interrupted_pull_makes_no_repository_busy():
    """Its size is what was asked for: on the board it would outdo those who really moved bytes."""
    recent = Recent()
    traffic = Traffic(Recorder(), recent)
    operation = traffic.operation("blob", "GET")
    for sent, interrupted, repository in ((700, False, "team/app"), (10**9, True, "team/app"), (10**9, True, "left")):
        operation.open.append(None)
        traffic.ended((ending_of(operation, 200, "accepted"), 0.1, 0, sent, interrupted, repository))
    traffic.count()
    assert top([recent.minutes()], now=time.time()) == {"repository_bytes_pull": [("team/app", 700)]}


@pytest.mark.parametrize(
    ("status", "let_in", "named", "claimed", "result"),
    [
        (200, True, True, True, "accepted"),
        (404, True, True, True, "accepted"),
        (200, True, False, False, "anonymous"),
        (401, False, False, False, "challenged"),
        (401, False, False, True, "failed"),
        (429, False, False, True, "throttled"),
        (403, False, False, True, "denied"),
        (400, False, False, True, None),
    ],
)
def test_the_question_for_a_right_has_one_result(status, let_in, named, claimed, result):
    """A login that was never looked at counts as nothing."""
    asked = asked_for_right(status, let_in=let_in, named=named, claimed=claimed)
    assert asked == result
    recorder = Recorder()
    exchange(Traffic(recorder, Recent()), method="GET", handler="base", status=status, asked=asked)
    counted = {dict(labels)["result"]: v for (n, labels), v in samples(recorder).items() if "auth_requests" in n}
    assert {name for name, value in counted.items() if value} == ({result} if result else set())


@pytest.mark.parametrize(("asked", "timed"), [("accepted", 1), ("challenged", 1), ("failed", 0), ("throttled", 0)])
def test_whoever_guesses_passwords_does_not_make_the_registry_look_slow(asked, timed):
    """Wrong logins are kept waiting for seconds on purpose: they are counted, and not timed."""
    recorder = Recorder()
    exchange(Traffic(recorder, Recent()), method="GET", handler="base", status=401, asked=asked)
    found = samples(recorder)
    answered = (("code", "401"), ("handler", "base"), ("method", "get"))
    base = (("handler", "base"), ("method", "get"))
    assert found["registry_http_requests_total", answered] == 1
    assert found.get(("registry_http_request_duration_seconds_count", base), 0) == timed


def test_a_value_that_the_table_does_not_list_is_refused():
    """A programmer's mistake shows in tests, not as one more series."""
    with pytest.raises(ValueError, match="lists no registry_pushes_total perhaps"):
        place_of("registry_pushes_total", "perhaps")


def test_a_source_that_fails_takes_nobody_with_it(caplog):
    """One unreadable value: the others are there, the failure is counted, and logged once."""

    def broken():
        raise OSError("the disk is away")

    sources = {"disk": broken, "numbers": lambda: [Observation("registry_quarantined_blobs", 3)]}
    page = Exposition(Recorder(), sources, shared=None)
    first, second = page.render().decode(), page.render().decode()
    assert "registry_quarantined_blobs 3.0" in first
    assert "registry_observation_errors 1.0" in second
    assert [record.getMessage() for record in caplog.records] == ["metrics of disk can't be read: the disk is away"]


def test_the_table_is_sound():
    """Names are Prometheus's own way, and every metric can be told apart and has few series."""
    names = [definition.name for definition in DEFINITIONS]
    assert len(set(names)) == len(names)
    for definition in DEFINITIONS:
        assert definition.name.startswith("registry_")
        assert definition.name.endswith("_total") == (definition.kind is Kind.COUNTER)
        assert definition.help.endswith(".")
        assert definition.counted or definition.kind is Kind.GAUGE
        assert not (definition.counted and any(isinstance(v, AtMost) for v in definition.labels.values()))


def test_every_status_of_the_error_table_has_a_code_of_its_own():
    """`other` is for what nobody thought of."""
    codes = BY_NAME["registry_http_requests_total"].labels["code"]
    assert {str(code.status) for code in ErrorCode} <= set(codes)


def test_what_waits_is_counted_before_it_grows():
    """A service that nobody scrapes keeps no more than a bounded number of exchanges in memory."""
    recorder = Recorder()
    traffic = Traffic(recorder, Recent())
    operation = traffic.operation("base", "GET")
    ending = ending_of(operation, 200, "accepted")
    total = place_of("registry_http_requests_total", "base", "200", "get")
    for number in range(1, MOST_WAITING + 2):
        operation.open.append(None)
        traffic.ended((ending, 0.1, 0, 0, False, None))
        traffic.login_remembered(hit=True)
        assert recorder.row[total] == (MOST_WAITING if number >= MOST_WAITING else 0)
    assert recorder.row[place_of("registry_verification_cache_total", "hit")] == MOST_WAITING - 1


def test_threads_that_count_at_once_count_everything_once():
    """Requests end in many threads while another one counts."""
    recorder = Recorder()
    traffic = Traffic(recorder, Recent())
    operation = traffic.operation("manifest", "GET")
    ending = ending_of(operation, 200, "accepted")

    def serve():
        for _ in range(5000):
            operation.open.append(None)
            traffic.ended((ending, 0.1, 0, 10, False, "team/app"))

    threads = [threading.Thread(target=serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        traffic.count()
    traffic.count()
    found = samples(recorder)
    assert found["registry_pulls_total", (("outcome", "ok"),)] == 20_000
    assert found["registry_pulled_bytes_total", (("outcome", "ok"),)] == 200_000
    assert found["registry_http_in_flight_requests", (("handler", "manifest"),)] == 0
