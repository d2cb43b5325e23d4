"""Where the rooms meet for the commands: images of any kind opened, predictions made, both turned to view models."""
