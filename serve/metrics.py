"""What the service counts, in a registry of its own: requests, seconds, cache hits, ages.

Input: requests. Output: metrics for `/metrics`.
"""

import functools

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

REQUEST_SECONDS = Histogram(
    "atlshield_request_seconds", "Seconds until an answer was made.", ["route", "status"],
    buckets=SECONDS, registry=REGISTRY,
)  # fmt: skip
CACHE_REQUESTS = Counter(
    "atlshield_cache_requests", "Charts asked for, by whether they were drawn before.", ["result"],
    registry=REGISTRY,
)  # fmt: skip
BUILD_AGE = Gauge(
    "atlshield_build_age_seconds", "Seconds since the served build was made.", registry=REGISTRY
)
CUTOFF_AGE = Gauge(
    "atlshield_cutoff_age_seconds", "Seconds since the end of the served data.", registry=REGISTRY
)
RELOAD_FAILED = Gauge(
    "atlshield_reload_failed", "1 while the published build cannot be loaded, else 0.", registry=REGISTRY
)


@functools.cache
def find_histogram(route: str, status: str) -> Histogram:
    """Return the histogram of a route and a status; there are as many as the program has."""
    return REQUEST_SECONDS.labels(route, status)


def count_request(route: str, status: str, seconds: float) -> None:
    """Count a request that was answered."""
    find_histogram(route, status).observe(seconds)
