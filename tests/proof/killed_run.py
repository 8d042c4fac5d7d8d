"""`digest tick` that is killed, as by `kill -9`, before or after a step of the run: `killed_run.py STEP before|after`.

After a step means: its work is done, and not a word of it is noted with the run.
"""

import os
import signal
import sys

from digest.cli import main
from digest.month import run as month_run
from digest.month.state import Month, Wait


def killed(step: str, when: str) -> None:
    steps = dict(month_run.STEPS)
    real = steps[step]

    def and_killed(month: Month) -> Wait | None:
        if when == "after":
            real(month)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    month_run.STEPS = tuple((name, and_killed if name == step else work) for name, work in steps.items())


if __name__ == "__main__":
    killed(sys.argv[1], sys.argv[2])
    sys.argv = ["digest", "tick"]
    main()
