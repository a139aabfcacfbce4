"""The protocol: JSON-RPC on stdio. The only importer of pygls and lsprotocol."""
