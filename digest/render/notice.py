"""Rendering of notices (mails that belong to no issue), once per kind and language."""

import json
from dataclasses import asdict, fields

from digest.render.checks import CheckedMail, check_mail
from digest.render.context import NoticeContext
from digest.render.edition import Rendered
from digest.render.loader import Templates
from digest.render.mail import render_html, render_text, theme_of, tidy
from digest.render.notice_kind import NoticeKind
from digest.render.slots import SlotTokens, choose_nonce


def render_notice(kind: NoticeKind, language: str, context: NoticeContext, templates: Templates) -> Rendered:
    """Return the notice with slot tokens, the same bytes for the same arguments.

    Raises ContentError with template and line.
    """
    nonce = choose_nonce(json.dumps([kind, language, asdict(context)], default=str, sort_keys=True))
    slots = SlotTokens(nonce)
    notice = {field.name: getattr(context, field.name) for field in fields(context)} | {
        "confirm_url": slots.action_url,
        "keep_url": slots.action_url,
        "data_url": slots.action_url,
        "preferences_url": slots.preferences_url,
        "unsubscribe_url": slots.unsubscribe_url,
        "interests": slots.interests,
        "consent_date": slots.consent_date,
    }
    folder = f"email/{kind}"
    theme = theme_of(templates, {})
    variables: dict[str, object] = {"notice": notice, "slots": slots, "theme": theme, "language": language}
    subject = " ".join(templates.render(f"{folder}/subject.txt.j2", language, variables).split())
    variables["notice"] = notice | {"subject": subject}
    html, declared = render_html(folder, language, variables, templates, nonce)
    text = tidy(render_text(folder, language, variables, templates))
    mail = CheckedMail(
        subject=subject,
        html=html,
        text=text,
        nonce=nonce,
        publication=context.publication,
        source=context,
        theme=theme,
        declared=declared,
        required=kind.spec.slots,
    )
    return Rendered(subject, "", (html,), (text,), nonce, check_mail(mail))
