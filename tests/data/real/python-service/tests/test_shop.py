"""Left out by the ignore file."""
