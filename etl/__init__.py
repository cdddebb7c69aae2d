"""Raw files to clean tables: incidents, neighborhoods, offenses, and the ledger of what was rejected."""
