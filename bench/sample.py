"""What one run of one scenario against one contender gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`value` is in the scenario's unit; CPU in seconds, memory in bytes (highest resident set), counts of work done.

    `failed` counts answers that were not what the scenario asks for: a sample with any is reported, never hidden.
    """

    value: float
    requests: int = 0
    bytes: int = 0
    failed: int = 0
    seconds: float = 0.0
    p99_ms: float | None = None
    cpu_app: float = 0.0
    cpu_proxy: float = 0.0
    memory_app: int = 0
    memory_proxy: int = 0

    @property
    def cpu_per_gb(self) -> float | None:
        """CPU seconds of registry and nginx for 10^9 bytes; None where few bytes went."""
        return (self.cpu_app + self.cpu_proxy) / (self.bytes / 1e9) if self.bytes >= 50_000_000 else None
