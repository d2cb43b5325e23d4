"""The local store: an OCI image layout with an index for names and the build cache."""
