"""`registry health`: what the internal listener knows, for whoever has no more than a terminal."""

from __future__ import annotations

from click.testing import CliRunner

from registry_app.cli.health import command as health
from registry_app.cli.read_only import command as read_only
from tests.serving import start_registry


def test_reasons_are_printed_where_something_is_not_well(tmp_path):
    """All is well; then a read-only mode keeps pushes out; then the store can't be read; then nobody answers."""
    config = str(tmp_path / "config.yml")
    with start_registry(tmp_path) as registry:
        well = CliRunner().invoke(health, [config])
        assert (well.exit_code, well.output.splitlines()[0]) == (0, "images can be read")
        assert "pushes are taken" in well.output
        CliRunner().invoke(read_only, ["on", config])
        kept = CliRunner().invoke(health, [config])
        assert (kept.exit_code, kept.output.splitlines()[:2]) == (1, ["images can be read", "pushes are NOT taken"])
        assert "storage: the registry is in read-only mode" in kept.output
        (registry.root / "docker").rename(registry.root / "away")
        lost = CliRunner().invoke(health, [config])
        assert (lost.exit_code, lost.output.splitlines()[0]) == (1, "images can NOT be read")
    gone = CliRunner().invoke(health, [config])
    assert gone.exit_code == 1
    assert f"127.0.0.1:{registry.debug_port}/debug/health: no answer of a registry: Connection refused" in gone.output


def test_it_is_said_where_nobody_can_be_asked(tmp_path):
    """Without an internal listener in the configuration."""
    config = tmp_path / "config.yml"
    config.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/registry}}}}\n")
    asked = CliRunner().invoke(health, [str(config)])
    assert (asked.exit_code, "no http.debug.addr in the configuration" in asked.output) == (1, True)
