"""Who stood out lately."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from registry_app.metrics.recent import MOST_NAMES, OTHERS, Recent, read_minutes, top


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


def test_the_names_with_the_most_come_first_and_are_few():
    """Ten names, however many there are."""
    recent = Recent(clock=Clock())
    for number in range(50):
        recent.add("failures", f"repository-{number}", number)
    first, *_, last = named = top([recent.minutes()], now=Clock.now)["failures"]
    assert len(named) == 10
    assert first == ("repository-49", 49)
    assert last == ("repository-40", 40)


def test_what_is_older_than_the_window_is_forgotten():
    """A quarter of an hour later the boards are clean, in the answer and in memory."""
    clock = Clock()
    recent = Recent(clock=clock)
    recent.add("failures", "team/app")
    clock.now += 14 * 60
    assert top([recent.minutes()], now=clock.now) == {"failures": [("team/app", 1)]}
    clock.now += 2 * 60
    assert top([recent.minutes()], now=clock.now) == {}
    recent.add("failures", "team/other")
    assert sum(len(boards) for boards in recent.minutes().values()) == 1


def test_ten_thousand_names_take_the_room_of_a_few_hundred():
    """The sum stays right: what has no place of its own is counted under (others)."""
    recent = Recent(clock=Clock())
    for number in range(10_000):
        recent.add("logins", f"10.0.{number // 256}.{number % 256}")
    [boards] = recent.minutes().values()
    assert len(boards["logins"]) == MOST_NAMES + 1
    assert sum(boards["logins"].values()) == 10_000
    assert top([recent.minutes()], now=Clock.now)["logins"][0][0] == OTHERS


def test_workers_are_added_up_and_a_new_one_goes_on_from_the_file(tmp_path):
    """What one worker saw, every worker tells; what a dead one saw, the next in its place."""
    clock = Clock()
    one, two = Recent(tmp_path / "recent_0.json", clock=clock), Recent(tmp_path / "recent_1.json", clock=clock)
    one.add("failures", "team/app", 2)
    two.add("failures", "team/app", 3)
    one.flush()
    two.flush()
    known = [read_minutes(path) for path in sorted(tmp_path.glob("*.json"))]
    assert top(known, now=clock.now) == {"failures": [("team/app", 5)]}
    again = Recent(tmp_path / "recent_0.json", clock=clock)
    assert top([again.minutes()], now=clock.now) == {"failures": [("team/app", 2)]}


@given(st.binary(max_size=40) | st.sampled_from([b"5", b"[]", b'{"a": 1}', b'{"1": {"failures": []}}']))
def test_a_file_that_is_not_ours_is_as_good_as_none(content):
    """A torn or foreign file never breaks a scrape."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recent_0.json"
        path.write_bytes(content)
        assert top([read_minutes(path)], now=Clock.now) == {}
