"""The lane of a record: real, test, or one exercise. Lanes never mix."""

import re
from dataclasses import dataclass

from mithaq.kernel.errors import Error

_EXERCISE = re.compile(r"exercise--[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class BadLane(Error):
    """A text that names no lane."""

    code = "bad-lane"


@dataclass(frozen=True, slots=True)
class Lane:
    """`actual`, `test` or `exercise--<uuid>`."""

    value: str

    @staticmethod
    def parse(text: str) -> "Lane":
        """Read a lane.

        Raises:
            BadLane: the text is none of the three forms.
        """
        if text in {"actual", "test"} or _EXERCISE.fullmatch(text):
            return Lane(text)
        raise BadLane("a lane is actual, test or exercise--<uuid>", subject=text[:80])

    @property
    def is_operational(self) -> bool:
        """Tell whether records in this lane may touch the real world."""
        return self.value == "actual"

    @property
    def is_exercise(self) -> bool:
        """Tell whether this lane belongs to an exercise."""
        return self.value.startswith("exercise--")

    def __str__(self) -> str:
        return self.value


ACTUAL = Lane("actual")
TEST = Lane("test")
