"""Where front and engine meet: the folder, the socket, who may speak, and what the dead leave.

Imported by the front before anything else is, so everything in here is small: the standard library
only, and of that only what costs little (no logging, no subprocess, no dataclasses).
"""
