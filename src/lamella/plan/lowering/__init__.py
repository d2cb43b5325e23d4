"""Instructions to steps, one file per family. :mod:`lamella.plan.lower` puts them together."""
