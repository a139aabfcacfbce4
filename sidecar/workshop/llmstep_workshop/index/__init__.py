"""Building and fitting what the sources of suggestions draw on."""
