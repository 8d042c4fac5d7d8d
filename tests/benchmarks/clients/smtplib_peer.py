"""smtplib, given finished bytes: arguments are port, file and number of messages."""

import json
import smtplib
import sys
import time
from pathlib import Path

port, path, messages = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
message = path.read_bytes().replace(b"\n", b"\r\n")
with smtplib.SMTP("127.0.0.1", port) as client:
    client.ehlo()
    began = time.perf_counter()
    for number in range(messages):
        client.sendmail("newsletter@example.org", [f"reader{number}@example.org"], message)
    seconds = time.perf_counter() - began
print(json.dumps({"messages": messages, "seconds": seconds}))
