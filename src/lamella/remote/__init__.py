"""Files from elsewhere: over HTTP, and from git repositories."""
