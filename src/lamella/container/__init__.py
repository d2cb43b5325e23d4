"""Containers: started, watched, listed, entered, stopped, removed. No daemon: each has a monitor process of its own."""
