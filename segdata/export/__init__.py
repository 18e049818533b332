"""export: a table's live rows as one file that any tool reads."""
