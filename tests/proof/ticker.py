"""Looks at the clock whenever a line on stdin names an instant, and answers with what it told. Run in a workspace."""

import json
import sys
from datetime import datetime
from pathlib import Path

from digest.app import App, open_app
from digest.runtime.clock import ShiftedClock
from digest.runtime.errors import DigestError
from digest.schedule.tick import tick

works = open_app(Path.cwd())
assert works.publisher.templates is not None  # loaded before the race begins
print("ready", flush=True)
for line in sys.stdin:
    moment = datetime.fromisoformat(line.strip())
    try:
        told = [
            (entry.period, entry.state, entry.why)
            for entry in tick(App(works.settings, works.engine, ShiftedClock(moment)))
        ]
    except DigestError as error:
        told = [("error", "error", error.message)]
    print(json.dumps(told), flush=True)
