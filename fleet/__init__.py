"""Many cities: their refreshes on a cluster, and what they made as one set of tables."""
