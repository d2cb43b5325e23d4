"""Advice on Dockerfiles: the rule protocol and its runner."""
