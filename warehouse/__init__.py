"""The warehouse: what a table is, builds, their audit, publishing, and the read side."""
