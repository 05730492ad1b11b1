"""What a run found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """Counts of a run, and every violation in words."""

    counts: Counter = field(default_factory=Counter)
    violations: list = field(default_factory=list)

    def __str__(self):
        counted = ", ".join(f"{name} {value}" for name, value in self.counts.items())
        shown = "".join(f"\n  {line}" for line in self.violations[:20])
        return f"{counted}: {len(self.violations)} violations{shown}"
