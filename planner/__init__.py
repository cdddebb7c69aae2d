"""A published build and a request to a plan of patrol-hours in a file of its own."""
