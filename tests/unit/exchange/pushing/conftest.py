"""A node that pushes, on each database; a file that several tests import is converted once."""

from tests.unit.exchange.misp.conftest import converted_once, quick, served

__all__ = ["converted_once", "quick", "served"]
