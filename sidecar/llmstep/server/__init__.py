"""The engine's process and what it speaks, JSON-RPC. The only importer of pygls and lsprotocol."""
