"""Tools for agents that prove: the Model Context Protocol in front of the sidecar's own wire."""
