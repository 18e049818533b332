"""report: one page that needs no server: what the catalog holds, what the versions score, and the cases to look at."""
