"""The light process that a client starts: it forwards frames to the user's one engine.

It knows which requests are open, so that each is answered exactly once, whatever becomes of the
engine. What it imports is what it costs: the standard library, and of that as little as can be.
"""
