"""One handler per file: raw params in, a call to the engine, plain JSON out."""
