"""From a tree to a graph of stages and steps. Pure."""
