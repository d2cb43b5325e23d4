"""One pass a file; found by walking this package."""
