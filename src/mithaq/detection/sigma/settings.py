"""The limits of Sigma, with their units: what one foreign rule may cost, and what is remembered."""

from typing import Final

MAX_CONDITION_CHARS: Final = 4_096
MAX_CONDITION_DEPTH: Final = 20
"""Parentheses within parentheses; the parser recurses."""
MAX_CONDITION_NOTS: Final = 10
MAX_SELECTOR_STARS: Final = 3
"""`1 of sel*ection*`: the parser matches names with a backtracking regular expression."""
MAX_SELECTIONS: Final = 1_000
MAX_SELECTION_CHARS: Final = 128
MAX_DASHES: Final = 4
"""Places where `windash` may write a dash in five ways: 5^4 spellings of one value."""
MAX_CONDITIONS: Final = 16
MAX_PREDICATES: Final = 20_000
"""Of one rule, after every modifier has been written out."""
MAX_REGEX_CHARS: Final = 4_096
MAX_REGEX_BYTES: Final = 1 << 20
"""Memory that RE2 may take for one regular expression; what needs more is refused with its rule."""
MAX_HYPERSCAN_PROGRAM: Final = 3_000
"""Instructions in RE2's program; what is larger stays with RE2, where compiling is linear."""
MAX_RULES: Final = 50_000
"""Rules in one engine."""

MAX_REMEMBERED: Final = 200_000
"""Verdicts, shapes of events and decisions kept of one index; then they are forgotten and worked out anew."""
MAX_REMEMBERED_TEXT: Final = 16_000_000
"""Characters of all of these."""
MAX_REMEMBERED_CHARS: Final = 1_024
"""A longer value is seldom seen twice and is not remembered."""
MAX_SHAPE_CHARS: Final = 16_384
"""Of the names of an event's fields; the names of an event with more are looked at each time."""
MAX_REMEMBERED_ROUTES: Final = 2_000
MAX_JSON_ESCAPES_BYTES: Final = 1 << 20
"""A longer line with `\\u` escapes is searched for keywords as it is written."""
MAX_DELTAS: Final = 6
"""Small sets of rules beside the large one; one more, and the two smallest become one."""

MAX_TIMESPAN_S: Final = 366 * 86_400
MAX_GROUPS: Final = 20_000
"""Groups that one correlation keeps; the group that was touched longest ago is forgotten."""
MAX_GROUP_EVENTS: Final = 5_000
"""Events kept of one group; the oldest are forgotten."""
MAX_CORRELATED_EVENTS: Final = 100_000
"""Events kept of one correlation, over all its groups."""
MAX_VALUE_CHARS: Final = 512
"""Of a value that a correlation groups by or counts; a longer one is kept as its digest."""
MAX_CHAIN: Final = 4
"""Correlations of correlations."""

MAX_SHOWN_CHARS: Final = 500
"""Of a value that is told with a match."""
MAX_FIELDS: Final = 2_000
MAX_EVENT_DEPTH: Final = 16
MAX_LIST_ITEMS: Final = 1_000
