"""Puts a rewrite on trial by building before and after."""
