"""Charts that were drawn, kept while their build is served, and a bound on those being drawn.

Input: a build, a key and how to draw. Output: the bytes of the chart; requests for the same key draw it
once.
"""

import threading
import weakref
from collections.abc import Callable, Hashable

from cachetools import LRUCache, cached
from werkzeug.exceptions import ServiceUnavailable

from serve.current_build import ServedBuild
from serve.metrics import CACHE_REQUESTS

MAX_BYTES = 10 * 1024 * 1024
"""Some 100 to 300 charts of one build; the least recently asked for go first."""
DRAWINGS = 1
"""Charts drawn at once: one keeps a core busy, and matplotlib makes no promise about threads."""
MAX_WAITING = 8
"""Charts that wait for their turn, each in a thread of the server; the next are told to come back."""
RETRY_SECONDS = 2

Draw = Callable[[], bytes]

_queue = threading.BoundedSemaphore(DRAWINGS + MAX_WAITING)
_drawing = threading.BoundedSemaphore(DRAWINGS)
_caches: "weakref.WeakKeyDictionary[ServedBuild, Callable[[Hashable, Draw], bytes]]" = (
    weakref.WeakKeyDictionary()
)


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
            with _drawing:
                return draw()
        finally:
            _queue.release()

    cache = _caches.get(build) or _caches.setdefault(build, make_cache())
    try:
        return cache(key, draw_in_turn)
    finally:
        CACHE_REQUESTS.labels(asked).inc()


def make_cache(max_bytes: int = MAX_BYTES) -> Callable[[Hashable, Draw], bytes]:
    """Return a function that draws what it has not kept; safe to use from several threads."""
    charts: LRUCache[Hashable, bytes] = LRUCache(max_bytes, getsizeof=len)

    @cached(charts, key=lambda key, _: key, condition=threading.Condition())
    def draw_once(_key: Hashable, draw: Draw) -> bytes:
        return draw()

    return draw_once
