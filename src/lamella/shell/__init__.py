"""The bodies of RUN instructions, and words with variables. Pure."""
