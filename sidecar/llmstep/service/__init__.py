"""The service: from a goal to ranked suggestions. Knows no protocol and no model library."""
