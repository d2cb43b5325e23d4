"""File systems made of layers: views, writable workspaces, commits."""
