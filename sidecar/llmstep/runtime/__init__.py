"""Where front and engine meet: folder, socket, who may speak, and what a dead engine leaves.

Imported by the front before anything else is, so everything in here is small: the standard library
only, and of that only what costs little (no logging, no subprocess, no dataclasses).
"""
