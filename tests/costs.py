"""What hostile input costs, as a ratio: a machine that is slow or busy makes no test fail."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

MOMENT_S = 0.1


def grows_with_its_length(cost: Callable[[T], object], of_length: Callable[[int], T], length: int) -> bool:
    """Whether eight times the length costs about eight times the processor time, far from sixty-four."""
    whole = _least_s(cost, of_length(length))
    return whole < MOMENT_S or whole < 24 * _least_s(cost, of_length(length // 8))


def _least_s(cost: Callable[[T], object], of: T) -> float:
    spent = []
    for _ in range(3):
        began = time.process_time()
        cost(of)
        spent.append(time.process_time() - began)
    return min(spent)
