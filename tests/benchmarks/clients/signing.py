"""The two costs that no DKIM signer can avoid, on one core: arguments are a message's file and the seconds to run."""

import hashlib
import json
import sys
import time
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

body = Path(sys.argv[1]).read_bytes().replace(b"\n", b"\r\n").partition(b"\r\n\r\n")[2]
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
scheme, digest = padding.PKCS1v15(), hashes.SHA256()
done, began = 0, time.perf_counter()
while (seconds := time.perf_counter() - began) < float(sys.argv[2]):
    for _ in range(50):
        key.sign(hashlib.sha256(body).digest(), scheme, digest)
    done += 50
print(json.dumps({"messages": done, "seconds": seconds}))
