"""stackgen: a team's own private container registry as a rendered Docker Compose stack."""

__version__ = "0.1.0"
