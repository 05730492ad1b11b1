"""A render looks at certificate and key when there is something new to see."""

import json
import shutil

from stackgen.certificate_memory import recall, remember
from stackgen.env_file import load_settings
from tests.stackgen.test_command_line import modules_of


def test_a_render_of_files_that_were_looked_at_loads_nothing_that_reads_them(folder):
    """Half a second of CPU is what a render may take."""
    assert "cryptography" not in modules_of("render", str(folder.root))


def test_init_and_render_leave_the_same_memory(stackgen, folder):
    """A re-run changes nothing at all."""
    before = folder.certificate_seen.read_bytes()
    stackgen("render", folder.root)
    assert folder.certificate_seen.read_bytes() == before


def test_a_file_that_changed_or_went_is_looked_at(folder):
    """Each of those that the verdict depended on."""
    settings = load_settings(folder)
    for name in ("certs/privkey.pem", "certs/fullchain.pem", "certs/ca.crt", "ca/ca.key", "ca/ca.crt"):
        path = folder.root / name
        whole = path.read_bytes()
        assert recall(folder, settings)
        path.write_bytes(whole[:-1])
        assert not recall(folder, settings), name
        path.unlink()
        assert not recall(folder, settings), name
        path.write_bytes(whole)


def test_a_memory_that_says_something_else_counts_for_nothing(stackgen, folder):
    """Out of date, of other files, or broken; the next look mends it."""
    whole = folder.certificate_seen.read_text()
    for changed in ({"until": 1}, {"since": 9e12}, {"of": "other"}, {"until": "soon"}, {"since": None}):
        folder.certificate_seen.write_text(json.dumps(json.loads(whole) | changed))
        assert not recall(folder, load_settings(folder)), changed
    folder.certificate_seen.write_text("nonsense")
    assert not recall(folder, load_settings(folder))
    stackgen("render", folder.root)
    assert folder.certificate_seen.read_text() == whole


def test_another_host_is_looked_at(stackgen, folder):
    """The certificate was good for the host before."""
    folder.env.write_text(folder.env.read_text().replace("registry.example.com", "other.example.com"))
    assert not recall(folder, load_settings(folder))
    assert "made a new certificate" in stackgen("render", folder.root).stderr
    assert recall(folder, load_settings(folder))


def test_a_broken_key_is_found_by_the_next_render(stackgen, folder):
    """Though the one before was good."""
    (folder.root / "certs/privkey.pem").write_text("-----BEGIN PRIVATE KEY-----\nbm8=\n-----END PRIVATE KEY-----\n")
    assert "privkey.pem" in stackgen("render", folder.root, code=1).stderr


def test_a_stack_whose_state_went_is_looked_at_and_remembered_again(folder):
    """A folder of ours that somebody deleted is made anew."""
    settings = load_settings(folder)
    shutil.rmtree(folder.state)
    remember(folder, settings, since=0, until=9e12)
    assert recall(folder, settings)
