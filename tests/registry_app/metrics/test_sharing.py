"""Counts of several worker processes: real processes, real files."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from registry_app.metrics.sharing import open_shared_folder

PROGRAM = textwrap.dedent("""
    import json, os, signal, sys
    from pathlib import Path
    from registry_app.metrics.exposition import Exposition
    from registry_app.metrics.recording import Recorder
    from registry_app.metrics.rows import place_of
    from registry_app.metrics.sharing import open_shared_folder

    shared = open_shared_folder(Path(sys.argv[1]))
    workers = {}

    def work(orders, answers):
        slot = shared.claim_slot()
        recorder = Recorder(shared.open_row())
        answers.write(f"{slot}\\n")
        for line in orders:
            if line.strip() == "page":
                page = Exposition(recorder, {}, shared=shared).render()
                answers.write(json.dumps(page.decode()) + "\\n")
            else:
                name, amount = line.split()
                place = place_of(name, "ok" if name.endswith("_total") else "blob")
                recorder.row[place] += float(amount)
                answers.write("done\\n")
        os._exit(0)

    def start():
        down, up = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            work(os.fdopen(down[0]), os.fdopen(up[1], "w", 1))
        os.close(down[0]), os.close(up[1])
        answers = os.fdopen(up[0])
        workers[pid] = (os.fdopen(down[1], "w", 1), answers)
        return f"{pid} {answers.readline().strip()}"

    print(shared.path, flush=True)
    for line in sys.stdin:
        command, *rest = line.split(maxsplit=2)
        if command == "start":
            print(start(), flush=True)
        elif command == "kill":
            os.kill(int(rest[0]), signal.SIGKILL)
            os.waitpid(int(rest[0]), 0)
            print("dead", flush=True)
        else:
            orders, answers = workers[int(rest[0])]
            orders.write(rest[1])
            print(answers.readline().strip(), flush=True)
    for pid in workers:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    shared.remove()
""")


class Service:
    """A parent process with workers, as gunicorn has them."""

    def __init__(self, process, folder):
        self.process, self.folder = process, folder

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def start(self):
        pid, slot = self.say("start").split()
        return int(pid), int(slot)

    def kill(self, pid):
        assert self.say(f"kill {pid}") == "dead"

    def count(self, pid, name, amount):
        assert self.say(f"tell {pid} {name} {amount}") == "done"

    def value(self, pid, name, **labels):
        page = json.loads(self.say(f"tell {pid} page"))
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return sample.value
        return None


@contextmanager
def service(folder):
    """A parent that forks workers below a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield Service(process, Path(process.stdout.readline().strip()))
        process.stdin.close()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.stdout.close()


def test_any_worker_tells_the_sum_and_a_killed_one_is_remembered(tmp_path):
    """Counters never fall: not when a worker dies, not when another takes its place."""
    with service(tmp_path) as running:
        one, two = running.start(), running.start()
        assert {one[1], two[1]} == {0, 1}
        running.count(one[0], "registry_pushes_total", 3)
        running.count(two[0], "registry_pushes_total", 4)
        assert running.value(one[0], "registry_pushes_total", outcome="ok") == 7
        assert running.value(two[0], "registry_pushes_total", outcome="ok") == 7
        running.kill(one[0])
        assert running.value(two[0], "registry_pushes_total", outcome="ok") == 7
        three = running.start()
        assert three[1] == one[1], "the new worker takes the dead one's slot"
        running.count(three[0], "registry_pushes_total", 1)
        assert running.value(two[0], "registry_pushes_total", outcome="ok") == 8


def test_what_a_dead_worker_had_in_flight_is_in_flight_no_more(tmp_path):
    """A gauge sums over the living alone, before and after the slot is taken again."""
    with service(tmp_path) as running:
        (one, _), (two, _) = running.start(), running.start()
        running.count(one, "registry_http_in_flight_requests", 5)
        running.count(two, "registry_http_in_flight_requests", 2)
        assert running.value(two, "registry_http_in_flight_requests", handler="blob") == 7
        running.kill(one)
        assert running.value(two, "registry_http_in_flight_requests", handler="blob") == 2
        running.start()
        assert running.value(two, "registry_http_in_flight_requests", handler="blob") == 2


def test_fifty_restarts_leave_no_more_files_than_one(tmp_path):
    """The files are those of the workers that run, not of all that ever ran."""
    with service(tmp_path) as running:
        keeper, _ = running.start()
        number = 0
        for _ in range(50):
            pid, _ = running.start()
            running.count(pid, "registry_pushes_total", 1)
            number = max(number, len(list(running.folder.iterdir())))
            running.kill(pid)
        assert len(list(running.folder.iterdir())) <= number <= 10
        assert running.value(keeper, "registry_pushes_total", outcome="ok") == 50


def test_the_folder_of_a_killed_service_is_removed_by_the_next(tmp_path):
    """A crash leaves nothing for long, and a running service's folder is left alone."""
    suicidal = PROGRAM.replace("for line in sys.stdin", "os.kill(os.getpid(), 9)\nfor line in ()")
    with service(tmp_path) as living:
        doomed = subprocess.run(
            [sys.executable, "-c", suicidal, str(tmp_path)],
            check=False,
            capture_output=True,
            text=True,
        )
        left = Path(doomed.stdout.strip())
        assert doomed.returncode == -signal.SIGKILL
        assert left.is_dir()
        open_shared_folder(tmp_path).remove()
        assert not left.is_dir()
        assert living.folder.is_dir()
    assert not living.folder.is_dir()
