"""Two images, and what differs between them."""
