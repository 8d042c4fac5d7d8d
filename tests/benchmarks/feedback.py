"""How well and how fast bounces are understood: the right recipient and kind, beside the standard parser, flat memory.

    scripts/bench feedback [--quick] [--flufl FILE]

The mails are those in flufl.bounce's source distribution (FILE, else downloaded) and our own samples. The speed is that of
`digest feedback ingest` over a database with one delivery a mail, beside `message_from_bytes` and a walk over the parts. Last,
the report of an issue with a million deliveries, beside one count by state.
"""

import gc
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path

import feedback_report
from sqlalchemy import insert

from digest import app
from digest.delivery.mail.return_path import ReturnPath
from digest.editions.models import Edition
from digest.issues.models import Issue
from digest.outbox.tables import ATTEMPT, DELIVERY, SUBSCRIBER, Promised
from digest.runtime.db import session_scope
from digest.send import feedback
from digest.workspace import create
from tests.support.bounce_cases import fetch_flufl, flufl_cases, own_cases
from tests.support.came_back import complaint, dsn

QUICK = "--quick" in sys.argv
MAILS, ROUND, ROUNDS = (2_000, 400, 2) if QUICK else (100_000, 4_000, 5)
REPORTED = 2_000 if QUICK else 1_000_000
NOW = datetime(2021, 9, 30, tzinfo=UTC)
WANTED, SPEED = 0.98, 0.4
MAILBOX = "bounces@news.example.org"
_HOP = (
    "Received: from mx{n}.example.net (mx{n}.example.net [203.0.113.{n}])\n\t(using TLSv1.3 with cipher"
    " TLS_AES_256_GCM_SHA384 (256/256 bits)\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits))\n\t(No client"
    " certificate requested)\n\tby relay{n}.example.org (Postfix) with ESMTPS id 4HKx{n}Z3kq2z9rxP\n\tfor"
    " <reader@example.net>; Thu, 30 Sep 2021 09:00:0{n} +0900 (KST)\n"
)
_SIGNATURE = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=s1;\n" + (
    "\th=from:to:subject:date:message-id:list-id:list-unsubscribe:list-unsubscribe-post;\n" + f"\tb={'x' * 70}\n" * 5
)
_HOPS = "".join(_HOP.format(n=n) for n in range(3))
TOP = f"{_HOPS}{_SIGNATURE}Authentication-Results: mx.example.org; {'dkim=none ' * 9}\nX-Spam-Status: No, score=0.1\n"
HEADER = f"{_HOPS}{_SIGNATURE}List-Id: <news.example.org>\nFeedback-ID: 21:en:issue:digest\nMIME-Version: 1.0\n"
HEADER += (
    f"List-Unsubscribe: <https://news.example.org/unsubscribe/{'y' * 90}>\nMessage-ID: <{'0a' * 20}@example.org>\n"
)
"""What stands in a bounce as a server writes it that was sent over three hops, beside what is different in each."""


def quality(archive: Path) -> bool:
    """Print the table by reader and the misses; return whether enough are right."""
    right, total, misses = Counter[str](), Counter[str](), []
    for case in (*flufl_cases(archive), *own_cases()):
        reader, kind, is_right = case.verdict()
        total[reader] += 1
        right[reader] += is_right
        if not is_right:
            misses.append(
                f"{case.name}: {kind}, not {case.kind} of {', '.join(case.recipients) or 'nobody'} ({reader})"
            )
    print(f"{'understood by':14} {'mails':>6} {'right':>6}")
    for reader, count in total.most_common():
        print(f"{reader:14} {count:6} {right[reader]:6}")
    share = right.total() / total.total()
    print(f"{'all':14} {total.total():6} {right.total():6}  {share:.1%}, at least {WANTED:.0%}")
    print(*(f"missed: {miss}" for miss in misses), sep="\n")
    return share >= WANTED


def stocked(folder: Path, count: int) -> app.App:
    """A workspace with an issue whose deliveries were all accepted."""
    create.create(folder, sample=False)
    settings = folder / "digest.toml"
    settings.write_text(f'{settings.read_text()}\n[feedback]\nreturn_path = "{MAILBOX}"\n')
    works = app.open_app(folder)
    with session_scope(works.engine) as session:
        session.add(Issue(id=1, number=21, period="2021-09", date=NOW.date(), state="sent", created_at=NOW))
        session.flush()
        empty = {"articles": [], "subject": "", "preheader": "", "nonce": "", "html": "", "text": ""}
        session.add(Edition(id=1, issue_id=1, content_hash="1", language="en", created_at=NOW, **empty))
        session.flush()
        for first in range(1, count + 1, 10_000):
            ids = range(first, min(first + 10_000, count + 1))
            session.execute(insert(SUBSCRIBER), [_subscriber(n) for n in ids])
            common = {
                "state": "accepted",
                "attempts": 1,
                "due_at": NOW,
                "started_at": NOW,
                "created_at": NOW,
                "reason": "",
            }
            own = [{"id": n, "subscriber_id": n, "attempt_id": f"a{n}", **common} for n in ids]
            session.execute(insert(DELIVERY), [{"issue_id": 1, "edition_id": 1, "family": "", **row} for row in own])
            attempts = [{"id": f"a{n}", "delivery_id": n, "worker_id": "w", "started_at": NOW} for n in ids]
            empty_reply = {"outcome": "accepted", "reply": "", "relay": "", "by_evidence": False}
            session.execute(insert(ATTEMPT), [row | empty_reply for row in attempts])
    return works


def _subscriber(number: int) -> dict[str, object]:
    address = f"r{number}@d{number % 500}.example.net"
    own = {"id": number, "ref": f"{number:032x}", "address": address, "address_key": address}
    shared = {
        "name": "",
        "language": "en",
        "format": "html",
        "frequency": "every",
        "interests": "*",
        "state": "confirmed",
    }
    return {**own, **shared, "suppression_key": f"{number:064x}", "created_at": NOW}


def mails(key: bytes, first: int, last: int) -> Iterator[tuple[str, bytes]]:
    """Nine reports in ten, else a bounce in words, a complaint or an automatic reply."""
    path, rng = ReturnPath(MAILBOX, key), random.Random(21)
    words = [case.data for case in own_cases()]
    status = [("5.1.1", "550 5.1.1 no such user"), ("5.2.2", "552 5.2.2 full"), ("5.7.1", "550 5.7.1 blocked")]
    for number in range(first, last):
        to = path.address(path.token(Promised.DELIVERY, number, ("21", f"{number:032x}")))
        kind = rng.random()
        if kind < 0.9:
            code, said = rng.choice(status)
            data = dsn(to, f"r{number}@d{number % 500}.example.net", status=code, words=said, original=HEADER)
        elif kind < 0.97:
            data = rng.choice(words).replace(MAILBOX.encode(), to.encode())
        else:
            data = complaint(to, original=HEADER)
        yield f"mail {number}", TOP.encode() + data


def speed(works: app.App) -> bool:
    """Print the ratio of CPU seconds in rounds taken in turn; return whether it is good enough."""
    ratios = []
    gc.freeze()  # as the command does when it has loaded what it needs
    for turn in range(ROUNDS):
        some = list(mails(works.settings.message_key, 1 + turn * ROUND, 1 + (turn + 1) * ROUND))
        begun = time.process_time()
        for _, data in some:
            for part in message_from_bytes(data).walk():
                part.get_content_type()
        theirs = time.process_time() - begun
        begun = time.process_time()
        feedback.ingest(works, some)
        ours = time.process_time() - begun
        ratios.append(theirs / ours)
        print(f"{ROUND} mails: ours {ours:.2f} s, the standard parser {theirs:.2f} s, ratio {ratios[-1]:.2f}")
    median = sorted(ratios)[len(ratios) // 2]
    print(f"intake: {median:.2f} x the standard library's parsing, at least {SPEED}")
    return median >= SPEED


def memory(works: app.App) -> None:
    """Print how big the process is on the way through all mails."""
    sizes = []

    def watched() -> Iterator[tuple[str, bytes]]:
        for number, mail in enumerate(mails(works.settings.message_key, ROUND * ROUNDS + 1, MAILS + 1)):
            if number % (MAILS // 20) == 0:
                sizes.append(_resident())
            yield mail

    begun = time.perf_counter()
    result = feedback.ingest(works, watched())
    seconds, half = time.perf_counter() - begun, len(sizes) // 2
    print(f"memory: {max(sizes[half:])} MiB in the second half, {max(sizes[:half])} MiB in the first")
    print(f"{result.read} mails in {seconds:.0f} s; {dict(result.counted)}, {result.suppressed} suppressed")


def _resident() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        given = sys.argv[sys.argv.index("--flufl") + 1] if "--flufl" in sys.argv else ""
        good = quality(Path(given) if given else fetch_flufl(Path(folder)))
        works = stocked(Path(folder) / "workspace", MAILS)
        good = speed(works) and good
        if Path("/proc/self/status").exists():
            memory(works)
        good = feedback_report.sized(Path(folder) / "report", stocked, REPORTED) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
