import pytest

from digest.app import App
from digest.publish.publisher import Publisher
from digest.settings.web import DeskSettings
from digest.testing import FrozenClock
from tests.support.desk_office import SignedOffice


@pytest.fixture
def office(drafted_on_each: Publisher, now: object) -> SignedOffice:
    clock = FrozenClock(now)  # type: ignore[arg-type]
    desk = DeskSettings(enabled=True, attempts="4/15minute")
    settings = drafted_on_each.settings.model_copy(update={"desk": desk})
    return SignedOffice(App(settings, drafted_on_each.engine, clock), clock)
