"""Rules and files for the tests: the EICAR test file, which harms nobody."""

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
EICAR_RULE = (
    "rule Eicar : test {\n"
    '  meta:\n    description = "the EICAR test file"\n    mitre_att = "T1204.002"\n'
    '  strings:\n    $a = "EICAR-STANDARD-ANTIVIRUS-TEST-FILE"\n    $x = { 58 35 4F 21 }\n'
    "  condition:\n    all of them\n}\n"
)
ENDLESS = "rule Endless { condition: for any i in (0..1000000000) : (for any j in (0..1000000000) : (i + j < 0)) }"


def literal(name: str, text: str) -> str:
    """Return a rule that is true of what has a text in it."""
    return f'rule {name} {{ strings: $a = "{text}" condition: $a }}'
