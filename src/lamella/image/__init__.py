"""Images as values: assembling, appending, flattening."""
