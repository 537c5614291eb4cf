"""What an answer of the lake leaves out, in the reader's language; the page and the command line say it alike."""

from collections.abc import Mapping
from typing import Final

from mithaq.detection.questions.model import Answer, Stopped
from mithaq.node.language import Translator, msgid

_STOPPED: Final[Mapping[str, str]] = {
    Stopped.ROWS: msgid("There are more events than an answer shows: ask for less."),
    Stopped.SECONDS: msgid(
        "The time for an answer was over before all was asked: ask for less, or for a shorter time."
    ),
    Stopped.MEMORY: msgid("The answer needs more memory than it may have: ask for less."),
    Stopped.BYTES: msgid("The lines of the answer are larger than it may be: ask for less."),
    Stopped.DISK: msgid("The answer failed, because the disk is full or cannot be written."),
    Stopped.DAMAGE: msgid("The answer failed, because the lake cannot be read."),
    Stopped.INTERRUPTED: msgid("The answer was interrupted when the node stopped: ask again."),
}


def remarks(answer: Answer, words: Translator) -> list[str]:
    """Return a sentence for everything that an answer does not say."""
    said = [words.gettext(_STOPPED[answer.stopped])] if answer.stopped in _STOPPED else []
    if answer.unread:
        sentence = msgid("Segments that cannot be read, and were left out: %(count)s.")
        said.append(words.gettext(sentence, count=answer.unread))
    if answer.older:
        sentence = msgid("Events of an earlier program, which have no fields and were left out: %(count)s.")
        said.append(words.gettext(sentence, count=answer.older))
    return said
