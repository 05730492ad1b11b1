"""What lies in the store and can't be used."""

from __future__ import annotations

import subprocess
import sys
import time

from registry_app.storage.survey import survey

# What a busy service does beside: files and folders come and go.
PUSHES = """
import os, sys
while True:
    for number in range(20):
        open(f"{sys.argv[1]}/{number}", "w").close()
    for number in range(20):
        os.unlink(f"{sys.argv[1]}/{number}")
    os.mkdir(f"{sys.argv[1]}/folder")
    os.rmdir(f"{sys.argv[1]}/folder")
"""


def test_files_that_come_and_go_are_in_nobodys_way(storage):
    """Else readiness would say 503 now and then while a registry takes pushes."""
    with subprocess.Popen([sys.executable, "-c", PUSHES, str(storage.layout.drafts)]) as pushes:
        try:
            end = time.monotonic() + 0.6
            while time.monotonic() < end:
                assert list(map(str, survey(storage.layout))) == []
        finally:
            pushes.kill()
