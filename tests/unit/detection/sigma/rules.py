"""Small rules, written in the tests as analysts write them."""

from __future__ import annotations

import uuid

RULE = """
title: {title}
id: {id}
name: {name}
logsource:
    product: {product}
{source}detection:
{detection}
"""


def rule_id(number: int) -> str:
    return str(uuid.UUID(int=number + (4 << 76) + (8 << 60)))


def rule(detection: str, number: int = 1, *, product: str = "zeek", source: str = "", name: str = "a_rule") -> bytes:
    """Return a rule with this detection, indented by four spaces."""
    indented = "\n".join(f"    {line}" for line in detection.strip("\n").splitlines())
    return RULE.format(
        title=f"Rule {number}", id=rule_id(number), name=name, product=product, source=source, detection=indented
    ).encode()


def selection(body: str, number: int = 1, condition: str = "selection", **more: str) -> bytes:
    """Return a rule with one selection, its lines given without indentation."""
    indented = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    return rule(f"selection:\n{indented}\ncondition: {condition}", number, **more)


def correlation(body: str, number: int = 99) -> bytes:
    """Return a correlation rule, its lines given without indentation."""
    indented = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    return f"title: Correlation {number}\nid: {rule_id(number)}\ncorrelation:\n{indented}\n".encode()
