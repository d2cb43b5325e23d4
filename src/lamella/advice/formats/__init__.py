"""How findings are printed: one format a file, each with ``render(reports) -> str``. Pure."""
