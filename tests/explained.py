"""What a problem answer must tell (RFC 9457), whichever door it comes from."""

import httpx


def explained(answer: httpx.Response, *statuses: int) -> str:
    """Demand a problem document with one of these statuses; return what it says."""
    assert answer.status_code in statuses, (answer.status_code, answer.text[:300])
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["detail"]
    assert told["code"]
    return str(told["code"])
