"""The mounts of RUN, one file a type."""
