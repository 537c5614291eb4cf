"""Why something was refused: a value, not an error."""

from collections.abc import Callable
from typing import Any

import msgspec


class Reason(msgspec.Struct, frozen=True, gc=False):
    """One reason for a refusal, with its remedy; both are message ids with `%(name)s` placeholders."""

    code: str
    message: str
    params: dict[str, str | int] = {}
    remedy: str = ""

    def sentence(self, translate: Callable[[str], str] = str) -> str:
        """Render the reason in the reader's language, English by default."""
        return translate(self.message) % self.params if self.params else translate(self.message)

    def remedy_sentence(self, translate: Callable[[str], str] = str) -> str:
        """Render what would mend it, or an empty text."""
        if not self.remedy:
            return ""
        return translate(self.remedy) % self.params if self.params else translate(self.remedy)

    def as_json(self) -> dict[str, Any]:
        """Return the reason as JSON values, for the journal, receipts and `--json`."""
        return {"code": self.code, "message": self.message, "params": self.params, "remedy": self.remedy}

    @staticmethod
    def of_json(value: dict[str, Any]) -> "Reason":
        """Rebuild a reason from `as_json`."""
        return Reason(
            str(value["code"]),
            str(value["message"]),
            dict(value.get("params", {})),
            str(value.get("remedy", "")),
        )
