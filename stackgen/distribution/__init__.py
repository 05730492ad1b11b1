"""The client side of the OCI Distribution protocol: addresses, logins, transport, client. Knows nothing of a stack."""
