"""One handler per file: raw params in, a call to the service, plain JSON out."""
