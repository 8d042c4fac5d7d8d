"""`digest tick` that stands still at a step of the run until a line comes on stdin: `struck_run.py STEP before|after`.

After a step means: its work is done, and not a word of it is noted with the run. What happens to the world meanwhile is
the test's affair.
"""

import sys

from digest.cli import main
from digest.runtime import db
from digest.schedule import run as month_run
from digest.schedule.month import Month, StepPaused

HERE = "here\n"


def stand_still() -> None:
    sys.stdout.write(HERE)
    sys.stdout.flush()
    sys.stdin.readline()


def struck(step: str, when: str) -> None:
    steps = dict(month_run.STEPS)
    real = steps[step]

    def and_stand_still(month: Month) -> StepPaused | None:
        if when == "before":
            stand_still()
        wait = real(month)
        if when == "after":
            stand_still()
        return wait

    month_run.STEPS = tuple((name, and_stand_still if name == step else work) for name, work in steps.items())


if __name__ == "__main__":
    db.BUSY_SECONDS = 1  # a lock that lasts for half a minute is tested elsewhere
    struck(sys.argv[1], sys.argv[2])
    sys.argv = ["digest", "tick"]
    main()
