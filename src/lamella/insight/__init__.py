"""View models for the screens: stacks, waste, attribution."""
