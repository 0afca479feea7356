"""Independent pieces of work, as many at a time as there are processors.

Threads, for NumPy and onnxruntime compute without holding Python's lock. One thread a piece: pieces
wait for nobody, while the threads of one matrix product wait for each other.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from aqp_utils.core.device import n_threads


@cache
def _pool():
    return ThreadPoolExecutor(n_threads())


os.register_at_fork(after_in_child=_pool.cache_clear)  # threads stay with the parent


def side_by_side(function, items):
    """Begin `function` of every item at once.

    Parameters
    ----------
    function : callable
        Of one item; it must not call `side_by_side` itself, or all threads could wait for a free
        one.
    items : iterable

    Returns
    -------
    iterator
        Results in order, each as soon as it is there; an exception is raised in its place.
    """
    return _pool().map(function, items)
