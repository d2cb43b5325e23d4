"""OCI runtime bundles and their runner."""
