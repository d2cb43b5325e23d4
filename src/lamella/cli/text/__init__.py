"""What the commands say to people: view models in, lines out. No colours are needed to read them."""
