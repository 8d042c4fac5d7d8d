"""Fixtures that the tests of delivery and of the sink share."""

from tests.support.smtp_transports import authority, make_transport, trusting  # noqa: F401 - fixtures
