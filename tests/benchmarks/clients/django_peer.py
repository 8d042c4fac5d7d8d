"""Django's mail: one open connection, one EmailMultiAlternatives for each reader. Arguments: port, the job's file."""

import json
import sys
import time
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

port, job = int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
mail, readers = job["mail"], job["readers"]
settings.configure(EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend", EMAIL_HOST="127.0.0.1", EMAIL_PORT=port)
CHUNK = 100  # built and handed over together: a list of all messages would not fit in memory


def message(reader: dict) -> EmailMultiAlternatives:
    text, html = mail["text"], mail["html"]
    for token, value in reader["values"].items():
        text, html = text.replace(token, value), html.replace(token, value)
    headers = {"List-Unsubscribe": f"<{reader['unsubscribe']}>"}
    made = EmailMultiAlternatives(
        mail["subject"], text, mail["from"], [f"{reader['name']} <{reader['address']}>"], headers=headers
    )
    made.attach_alternative(html, "text/html")
    return made


with get_connection() as connection:
    began = time.perf_counter()
    sent = 0
    for first in range(0, len(readers), CHUNK):
        sent += connection.send_messages([message(reader) for reader in readers[first : first + CHUNK]])
    seconds = time.perf_counter() - began
print(json.dumps({"messages": sent, "seconds": seconds}))
