"""What hostile input costs, as a ratio: a machine that is slow or busy makes no test fail."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

MOMENT_S = 0.1
_ROUNDS = 4


def grows_with_its_length(cost: Callable[[T], object], of_length: Callable[[int], T], length: int) -> bool:
    """Whether eight times the length costs about eight times the processor time, far from sixty-four.

    A machine that was busy at the wrong moment is asked again; what grows with the square fails each time.
    """
    return any(_is_linear(cost, of_length(length // 8), of_length(length)) for _ in range(_ROUNDS))


def _is_linear(cost: Callable[[T], object], eighth: T, whole: T) -> bool:
    whole_s = _least_s(cost, whole)
    return whole_s < MOMENT_S or whole_s < 24 * _least_s(cost, eighth)


def _least_s(cost: Callable[[T], object], of: T) -> float:
    spent = []
    for _ in range(3):
        began = time.process_time()
        cost(of)
        spent.append(time.process_time() - began)
    return min(spent)
