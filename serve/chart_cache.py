"""Charts that were drawn, kept while their build is served, and a bound on those being drawn.

Input: a build, a key and how to draw. Output: the bytes of the chart; requests for the same key draw it
once.
"""

import threading
import weakref
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor

from cachetools import LRUCache, cached
from werkzeug.exceptions import ServiceUnavailable

from serve.current_build import ServedBuild
from serve.metrics import CACHE_REQUESTS

MAX_BYTES = 8 * 1024 * 1024
"""Some 100 to 300 charts of one build; the least recently asked for go first."""
DRAWINGS = 1
"""Charts drawn at once: one keeps a core busy. In a thread of its own: each that draws would have fonts
and freed memory of its own."""
MAX_WAITING = 8
"""Charts that wait for their turn, each in a thread of the server; the next are told to come back."""
RETRY_SECONDS = 2

MAX_ADDRESSES = 2_000
"""Addresses of charts that are known to be right, so that Flask need not read them again."""

Draw = Callable[[], bytes]
Address = tuple[str, str]
"""Path and query, as they were asked for."""
Headers = list[tuple[str, str]]

_queue = threading.BoundedSemaphore(DRAWINGS + MAX_WAITING)
_drawers = ThreadPoolExecutor(DRAWINGS, thread_name_prefix="draw")
_caches: "weakref.WeakKeyDictionary[ServedBuild, ChartCache]" = weakref.WeakKeyDictionary()


class ChartCache:
    """The charts of one build; safe to use from several threads."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        """Begin with none."""
        self.charts: LRUCache[Hashable, bytes] = LRUCache(max_bytes, getsizeof=len)
        self.addresses: LRUCache[Address, tuple[Hashable, str, Headers]] = LRUCache(MAX_ADDRESSES)
        self.condition = threading.Condition()
        once = cached(self.charts, key=lambda key, _: key, condition=self.condition)
        self.draw_once: Callable[[Hashable, Draw], bytes] = once(lambda _, draw: draw())

    def remember(self, address: Address, key: Hashable, route: str, headers: Headers) -> None:
        """Keep that an address means a chart, its route, and the headers of its answer."""
        with self.condition:
            self.addresses[address] = key, route, headers

    def find(self, address: Address) -> tuple[str, Headers, bytes] | None:
        """Return route, headers and chart of an address, if they are all kept."""
        with self.condition:
            key, route, headers = self.addresses.get(address, (None, "", []))
            chart = self.charts.get(key)
        return None if chart is None else (route, headers, chart)


def find_cache(build: ServedBuild) -> ChartCache:
    """Return the charts of a build."""
    return _caches.get(build) or _caches.setdefault(build, ChartCache())


def find_chart(build: ServedBuild, key: Hashable, draw: Draw) -> bytes:
    """Return a chart of a build, drawn now if nobody has yet; one that is being drawn is waited for.

    Raises `ServiceUnavailable` where too many charts wait to be drawn.
    """
    asked = "hit"

    def draw_in_turn() -> bytes:
        nonlocal asked
        asked = "miss"
        if not _queue.acquire(blocking=False):
            raise ServiceUnavailable("too many charts are being drawn", retry_after=RETRY_SECONDS)
        try:
            return _drawers.submit(draw).result()
        finally:
            _queue.release()

    try:
        return find_cache(build).draw_once(key, draw_in_turn)
    finally:
        CACHE_REQUESTS.labels(asked).inc()


def find_drawn(build: ServedBuild, environ: dict[str, str]) -> tuple[str, Headers, bytes] | None:
    """Return route, headers and content of a chart that was asked for at this address before.

    Nothing, if it has been dropped since.
    """
    if environ["REQUEST_METHOD"] != "GET" or not environ["PATH_INFO"].startswith("/charts/"):
        return None
    return find_cache(build).find((environ["PATH_INFO"], environ["QUERY_STRING"]))
