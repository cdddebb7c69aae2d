"""A published build to HTTP: lookups, charts, health. Reads only."""
