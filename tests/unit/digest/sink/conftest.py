"""Fixtures of the sink tests: the transports of the delivery tests."""

from tests.unit.digest.delivery.conftest import make_transport

__all__ = ["make_transport"]
