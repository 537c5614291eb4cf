"""Words for enumerated values: what a reader sees instead of a machine's name."""

from mithaq.node.agreements_in_words import vocabulary
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
    "intelligence.add": msgid("Created indicators"),
    "intelligence.import": msgid("Imported a file"),
    "intelligence.note": msgid("Wrote a note"),
    "intelligence.opinion": msgid("Gave an opinion"),
    "intelligence.accepted": msgid("Accepted a proposal"),
    "intelligence.declined": msgid("Declined a proposal"),
    "agreement.sign": msgid("Signed an agreement"),
    "agreement.official": msgid("Signed an agreement as an official"),
    "agreement.suspend": msgid("Suspended an agreement"),
    "agreement.resume": msgid("Ended the suspension of an agreement"),
    "agreement.withdraw": msgid("Withdrew from an agreement"),
    "agreement.object": msgid("Objected to the renewal of an agreement"),
    "agreement.propose": msgid("Proposed an agreement"),
    "release.order": msgid("Gave a standing order"),
    "release.order-end": msgid("Ended a standing order"),
    "release.approve": msgid("Approved a release"),
    "release.veto": msgid("Vetoed a release"),
    "release.veto-lift": msgid("Lifted a veto"),
    "release.emergency": msgid("Let a release go before its witnesses answered"),
    "duty.settle": msgid("Settled a duty"),
    "duty.request": msgid("Started the clocks of a request"),
    "duty.incident": msgid("Started the clocks of an incident"),
    "duty.node-incident": msgid("Started the clocks of an incident at the node"),
    "duty.believe-clock": msgid("Believed the node’s clock"),
    "consent.ask": msgid("Asked an originator for consent"),
    "consent.given": msgid("Consented to passing on"),
    "consent.refused": msgid("Refused passing on"),
    "partner.confirm": msgid("Trusted a partner"),
    "partner.suspend": msgid("Suspended a partner"),
    "partner.account": msgid("Gave a partner an account"),
    "partner.account-ended": msgid("Ended a partner’s account"),
    "partner.account-sign-in": msgid("Signed in for a partner"),
    "detection.confirm": msgid("Confirmed a hit"),
    "detection.dismiss": msgid("Dismissed a hit"),
    "token.add": msgid("Gave a program a token"),
    "token.revoke": msgid("Revoked a token"),
    "constituent.add": msgid("Added a constituent"),
    "constituent.disable": msgid("Disabled a constituent"),
    "constituent.enable": msgid("Enabled a constituent"),
    "constituent.account": msgid("Gave a constituent an account"),
    "constituent.account-ended": msgid("Ended a constituent's account"),
    "collection.add": msgid("Made a collection"),
    "collection.allow": msgid("Let a constituent see a collection"),
    "collection.exclude": msgid("Took a collection from a constituent"),
    "collection.close": msgid("Closed a collection"),
    "constituent.sign-in": msgid("Signed in for a constituent"),
    "source.add": msgid("Added a source to fetch"),
    "source.fetch": msgid("Had a source fetched"),
    "source.pause": msgid("Paused a source"),
    "source.resume": msgid("Resumed a source"),
    "source.restart": msgid("Had a source read anew"),
    "source.remove": msgid("Removed a source"),
    "source.discard": msgid("Discarded what a source had in quarantine"),
}
PURPOSES = {
    **vocabulary.PURPOSES,
    "withdrawal": msgid("withdrawal"),
}
WORD_STANDINGS = {
    "stands": msgid("Stands"),
    "superseded": msgid("Superseded"),
    "withdrawn": msgid("Withdrawn"),
}
AGREEMENT_STATES = {
    "agreement-draft": msgid("Draft"),
    "agreement-partly-signed": msgid("Not signed by all"),
    "agreement-not-yet-in-force": msgid("Not yet in force"),
    "agreement-in-force": msgid("In force"),
    "agreement-expired": msgid("Expired"),
    "agreement-suspended": msgid("Suspended"),
}
TERM_WORDS = {
    "kept-prevent": msgid("prevented by this node"),
    "kept-oblige": msgid("carried out by this node"),
    "kept-audit": msgid("kept as evidence"),
}
STATEMENTS = {
    "statement-suspend": msgid("suspends"),
    "statement-resume": msgid("ends its suspension"),
    "statement-withdraw": msgid("withdraws"),
    "statement-object-to-renewal": msgid("objects to the renewal"),
    "because-node-incident": msgid("an incident at a node"),
    "because-key-compromise": msgid("a compromised key"),
    "because-suspected-breach": msgid("a suspected breach"),
    "because-material-breach": msgid("a material breach"),
    "because-national-law": msgid("national law"),
    "because-national-decision": msgid("a national decision"),
    "because-technical": msgid("a technical reason"),
    "because-resolved": msgid("it is resolved"),
    "because-other": msgid("another reason"),
}
CONSENTS = {
    "consent-asked": msgid("not answered yet"),
    "consent-given": msgid("given"),
    "consent-refused": msgid("refused"),
}
CHANNEL_STATES = {
    "in-step": msgid("In step"),
    "behind": msgid("Behind"),
    "no-contact": msgid("No contact yet"),
    "trouble": msgid("Trouble"),
}
RELEASES = {
    "action-release": msgid("Release"),
    "action-withdraw": msgid("Withdrawal"),
    "action-void": msgid("Void"),
    "action-lost": msgid("Forgotten by a restore"),
    "outcome-admitted": msgid("Admitted"),
    "outcome-partly-admitted": msgid("Partly admitted"),
    "outcome-quarantined": msgid("Quarantined"),
    "outcome-withdrawn": msgid("Withdrawn"),
    "outcome-void": msgid("Void"),
    "outcome-lost": msgid("Forgotten by a restore"),
}
DIFFERENCES = {
    "difference-not-sent": msgid("Acknowledged, but not in the sender's log"),
    "difference-not-acknowledged": msgid("Sent, but not acknowledged in the recipient's log"),
    "difference-other-content": msgid("Other content on both sides"),
    "difference-receipt-not-held": msgid("Receipt given, but not in the sender's log"),
    "difference-receipt-not-given": msgid("Receipt held, but not in the recipient's log"),
    "difference-not-here": msgid("In the partner's log alone"),
    "difference-not-there": msgid("In this nation's log alone"),
    "difference-other-hash": msgid("Two texts under one number"),
    "difference-other-signers": msgid("Other signatures"),
    "difference-rolled-back": msgid("Fewer leaves than the log had before"),
    "difference-two-roots": msgid("Another history of the same length"),
    "difference-not-consistent": msgid("The log does not continue what it was"),
    "difference-begun-anew": msgid("The log was begun anew"),
    "difference-not-read": msgid("Not read"),
    "logs-agrees": msgid("Says the same"),
    "logs-behind": msgid("One of the two is behind"),
    "logs-contradicts": msgid("Contradicts"),
    "logs-refused": msgid("Does not hold"),
    "logs-not-read": msgid("Could not be read"),
    "about-version": msgid("Version of the agreement"),
    "about-statement": msgid("Statement of a party"),
    "about-key-statement": msgid("Key statement"),
}
PROOFS = {
    "proof-proven": msgid("Witnessed"),
    "proof-waiting": msgid("Waits for witnesses"),
    "proof-owed": msgid("Proof owed"),
    "proof-unneeded": msgid("Needs no witness"),
    "proof-absent": msgid("Not in the log"),
}
SHARES = {
    "share-has": msgid("Has it"),
    "share-sent": msgid("Sent, without receipt yet"),
    "share-waits": msgid("Waits for witnesses"),
    "share-taken-back": msgid("Taken back"),
    "share-not-admitted": msgid("Did not admit it"),
    "share-may": msgid("May have it"),
    "share-withheld": msgid("Withheld"),
}
SIGNATURES = {
    "signature-holds": msgid("Signature holds"),
    "signature-holds-retired": msgid("Holds, under a key that was since retired"),
    "signature-holds-compromised": msgid("Holds, under a key that was since revoked"),
    "signature-broken": msgid("Signature does not hold"),
    "signature-erased": msgid("The signed bytes were erased"),
}
DUTIES = {
    "duty-retention": msgid("Deletion, with an attestation"),
    "duty-review": msgid("Review of what was received"),
    "duty-recall": msgid("Answer to a recall"),
    "duty-feedback": msgid("Feedback on a sighting"),
    "duty-false-positive": msgid("Feedback on a false positive"),
    "duty-early-warning": msgid("Early warning of an incident"),
    "duty-notification": msgid("Notification of an incident"),
    "duty-final-report": msgid("Final report on an incident"),
    "duty-node-incident": msgid("Notice of an incident at the node"),
    "duty-contact-test": msgid("Test call to the emergency contact"),
    "duty-acknowledge": msgid("Acknowledgement of a request"),
    "duty-answer": msgid("Answer to a request"),
    "duty-fulfilled": msgid("Fulfilled"),
    "duty-void": msgid("No longer owed"),
    "ending-agreement": msgid("Agreement ends"),
    "ending-card": msgid("Card expires"),
}
HIT_STATES = {
    "hit-new": msgid("To decide"),
    "hit-confirmed": msgid("Confirmed"),
    "hit-dismissed": msgid("Dismissed"),
    "dismissed-false-positive": msgid("False positive"),
    "dismissed-benign": msgid("Expected here"),
    "breaker-stopped": msgid("Stopped"),
    "breaker-kept-off": msgid("Kept off"),
}
OPINIONS = {
    "opinion-strongly-disagree": msgid("Strongly disagrees"),
    "opinion-disagree": msgid("Disagrees"),
    "opinion-neutral": msgid("Neither agrees nor disagrees"),
    "opinion-agree": msgid("Agrees"),
    "opinion-strongly-agree": msgid("Strongly agrees"),
}
ANSWERS = {
    "answer-accepted": msgid("Accepted"),
    "answer-declined": msgid("Declined"),
    "score-expired": msgid("Expired"),
    "score-revoked": msgid("Revoked"),
    "score-not-yet-valid": msgid("Not yet valid"),
}
ADMIRALTY = {
    "reliability-A": msgid("Completely reliable"),
    "reliability-B": msgid("Usually reliable"),
    "reliability-C": msgid("Fairly reliable"),
    "reliability-D": msgid("Not usually reliable"),
    "reliability-E": msgid("Unreliable"),
    "reliability-F": msgid("Reliability cannot be judged"),
    "credibility-1": msgid("Confirmed by other sources"),
    "credibility-2": msgid("Probably true"),
    "credibility-3": msgid("Possibly true"),
    "credibility-4": msgid("Doubtful"),
    "credibility-5": msgid("Improbable"),
    "credibility-6": msgid("Truth cannot be judged"),
}
ONWARD = {
    "onward-none": msgid("to nobody"),
    "onward-originator-consent": msgid("only where the originator consents"),
    "onward-parties": msgid("to the parties"),
}
FLAWS = {
    "flaw-error": msgid("Error"),
    "flaw-warning": msgid("Warning"),
}
PARTY_ROLES = {
    "role-associate": msgid("Associate: receives only"),
    "role-observer": msgid("Observer: no objects"),
}
SOURCES = {
    "source-unreadable": msgid("cannot be read"),
    "source-silent": msgid("silent"),
    "source-changed": msgid("changed"),
    "source-usual": msgid("as usual"),
    "source-empty": msgid("nothing has come yet"),
}
LABELS = {
    **SOURCES,
    **vocabulary.KINDS,
    **vocabulary.CONTENTS,
    **{f"lane-{name}": text for name, text in vocabulary.LANES.items()},
    **{f"permitted-{name}": text for name, text in vocabulary.ACTIONS.items()},
    **ONWARD,
    **FLAWS,
    **PARTY_ROLES,
    **AGREEMENT_STATES,
    **TERM_WORDS,
    **STATEMENTS,
    **CONSENTS,
    **CHANNEL_STATES,
    **RELEASES,
    **DIFFERENCES,
    **PROOFS,
    **SHARES,
    **SIGNATURES,
    **DUTIES,
    **HIT_STATES,
    **OPINIONS,
    **ANSWERS,
    **ADMIRALTY,
    **PURPOSES,
    **WORD_STANDINGS,
    **THEMES,
    **ACTIONS,
    **ROLES,
    **OUTCOMES,
    **LANES,
    **STANDINGS,
}
