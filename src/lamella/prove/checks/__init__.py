"""One check a file; found by walking this package."""
