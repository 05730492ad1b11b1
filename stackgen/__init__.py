"""stackgen: a team's own private container registry as a rendered Docker Compose stack."""

from registry_app import __version__

__all__ = ["__version__"]
