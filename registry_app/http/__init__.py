"""The protocol over HTTP: translates requests to the store and back, decides nothing."""
