"""Where models come from: data, training, conversion, evaluation, and the tables of the sources."""

__version__ = "2.0.0"
