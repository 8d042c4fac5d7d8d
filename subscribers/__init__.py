"""The audience: who reads, what they agreed to, and how they change or end it.

This package imports nothing from `digest`; sessions, the present instant, keys and templates arrive as arguments. The
two meet at

1. `audience.eligible` and `audience.exclusion_reason`: one SQL expression, used when the audience is frozen and again
   in the take;
2. `interests.Catalogue`: the only place where topics of articles and interests of readers meet;
3. `links.LinkSigner`: every personal URL in a mail;
4. `suppression.add`: what bounces and complaints call.

The reverse need, mail to a person, is a callback: `signup.ConfirmationDue` and `preferences.Withdrawal` are handed to
functions that write in the same transaction.
"""
