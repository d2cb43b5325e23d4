"""Puts a rewrite on trial by building before and after.

``verdict`` holds what comes of it, ``builds`` one build measured, ``hearing`` the trial itself.
"""
