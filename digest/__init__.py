"""digestpress: publish a recurring email digest from a store of articles.

The map. Seven stages, in pipeline order; a stage imports only those to its left::

    articles → issues → editions → render → outbox → delivery → feedback

What joins them, and where code goes (import-linter holds the direction, `tests/unit/test_house.py` the rest):

1. One stage's own matter goes to that stage.
2. One issue before it leaves the house (build, check, approve, freeze, archive): `publish`. One issue leaving it (send,
   work, status, hold, resend, reconcile, rehearse): `send`. The month by itself: `schedule`. One person's emails and
   data: `membership`. The whole installation (create, demo, doctor, backup, metrics, report): `workspace`. Operators
   are told: `notify`. People who sign in, and who did what: `accounts`. The local mail server: `sink`.
3. The entrances `cli` and `web` hold no rules. `app` joins the parts of one workspace; only `cli` and `web` open an
   `App`, everything else takes what it needs as arguments, or as a Protocol of at most five members.
4. The floor: `settings` is digest.toml, one module a table; `calendar` is dates without a clock; `runtime` (database,
   clock, errors, logs) knows nothing of all this. `subscribers`, the audience, imports nothing from here.
5. A module is a noun of docs/glossary.md or of the field. The test of `digest/a/b.py` is
   `tests/unit/digest/a/test_b.py`.

A module whose docstring says "Pure." takes values and returns values: no session, socket, clock or environment.
"""

__version__ = "0.2.0"
