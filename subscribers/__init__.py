"""Subscribers: addresses, consent, preferences, suppression list.

Imports nothing from `digest`; sessions, the present instant, keys and templates arrive as arguments. The two meet at

1. `audience.eligible` and `audience.exclusion_reason`: SQL used when the audience is frozen and before each attempt;
2. `interests.Catalogue`: the only place where topics of articles and interests of subscribers meet;
3. `links.LinkSigner`: every personal URL in a mail;
4. `suppression.add`: what bounces and complaints call.

Mails are requested by callbacks, such as those for `signup.ConfirmationDue`, which write in the same transaction.
"""
