"""The demonstration: three sovereign nodes on one machine."""

from mithaq.cli.demo.command import demo

__all__ = ["demo"]
