"""The store: the only code of the service that touches the tree; it knows no HTTP."""

from registry_app.storage.store import Storage, open_storage

__all__ = ["Storage", "open_storage"]
