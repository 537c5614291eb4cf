"""What a prefilter promises, whichever form it has."""

from collections.abc import Iterable
from typing import Protocol

from mithaq.standards.observable import Observable

Block = bytes | bytearray | memoryview


class Prefilter(Protocol):
    """A set of observables, and the question which lines of a block may satisfy one.

    A line is a candidate whenever the node's parser would find in it an observable of the set, a domain below one of
    the set or an address inside a network of the set. Others may be candidates too, but seldom: whoever asks parses
    the candidates and decides exactly. Nothing is ever removed; a set that has forgotten is a new one.

    Zeek logs: a separator that is itself a letter, a digit or one of `.-_` would hide what it separates.
    """

    def add(self, observables: Iterable[Observable]) -> None:
        """Look for these too, in every block of which the scan begins after the return.

        Raises:
            ValueError: an observable is not in canonical form.
            MemoryError: there is no room for more.
        """

    def candidates(self, block: Block) -> list[tuple[int, int]]:
        """Return start and end of each candidate, in order, its line feed left out; the last line may lack it.

        May be called by several threads at a time, also while another one adds.
        """

    def __len__(self) -> int:
        """Return how many keys there are: about one an observable, two for a URL or an e-mail address."""

    @property
    def size_bytes(self) -> int:
        """Return the memory that the set takes."""
