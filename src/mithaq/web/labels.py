"""Words for enumerated values: what a reader sees instead of a machine's name."""

from mithaq.node.language import msgid

ROLES = {
    "duty-officer": msgid("Duty officer"),
    "analyst": msgid("Analyst"),
    "releaser": msgid("Releaser"),
    "director": msgid("Director"),
    "auditor": msgid("Auditor"),
    "administrator": msgid("Administrator"),
}
OUTCOMES = {
    "done": msgid("Done"),
    "refused": msgid("Refused"),
    "failed": msgid("Failed"),
}
LANES = {
    "actual": msgid("Real"),
    "test": msgid("Test"),
}
STANDINGS = {
    "pending": msgid("Fingerprint not compared yet"),
    "trusted": msgid("Trusted"),
    "suspended": msgid("Suspended"),
}
THEMES = {
    "theme-auto": msgid("As the system"),
    "theme-light": msgid("Light"),
    "theme-dark": msgid("Dark"),
}
ACTIONS = {
    "person.link": msgid("Made a one-time link"),
    "person.sign-in": msgid("Signed in"),
    "person.sign-out": msgid("Signed out"),
    "person.roles": msgid("Changed roles"),
    "person.disable": msgid("Shut a person out"),
    "passkey.enrol": msgid("Enrolled a passkey"),
    "token.add": msgid("Gave a program a token"),
    "token.revoke": msgid("Revoked a token"),
}
LABELS = {**THEMES, **ACTIONS, **ROLES, **OUTCOMES, **LANES, **STANDINGS}
