"""The world's names at their old place; new code imports them from tests.support.world."""

from tests.support.world import (
    SAMPLE_DAY,
    WAIT_SECONDS,
    World,
    free_port,
    html_of,
    links_in,
    mails,
    text_of,
    wait_for_port,
)

__all__ = [
    "SAMPLE_DAY",
    "WAIT_SECONDS",
    "World",
    "free_port",
    "html_of",
    "links_in",
    "mails",
    "text_of",
    "wait_for_port",
]
