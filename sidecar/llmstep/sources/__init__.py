"""What speaks for a step besides the model: file, library, portfolio, and how they are mixed."""
