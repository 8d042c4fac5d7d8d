"""Figures from the real commands: `/metrics` of a server that runs, and the file for node_exporter."""

import json
import re
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.world import World, free_port

TOKEN = "0123456789abcdef0123456789abcdef"

pytestmark = pytest.mark.one_database


def values(page: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def asked(port: int, token: str | None) -> str:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(answer.read().decode())


def test_the_server_tells_who_knows_the_token(sent: World, repo_root: Path) -> None:
    sample = sent
    (sample.folder / "metrics.token").write_text(TOKEN)
    (sample.folder / "metrics.token").chmod(0o600)
    sample.environment |= {"DIGEST_METRICS__TOKEN_FILE": "metrics.token", "DIGEST_LOG": "json"}
    port = free_port()
    with sample.running("serve", "--port", str(port), port=port) as serving:
        said = values(asked(port, TOKEN))
        for token in (None, "wrong"):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                asked(port, token)
        # the health check of the image, against what it looks at
        dockerfile = (repo_root / "docs/operating/docker/Dockerfile").read_text()
        (words,) = re.findall(r'CMD (\["python", "-c".*\])', dockerfile)
        script = json.loads(words)[2].replace(":8025", f":{port}")
        assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
    assert serving.returncode in {0, -15}  # uvicorn ends by the signal that told it to
    planned = sample.json("outbox", "status", "21")["planned"]
    assert said["digest_deliveries", "21", "accepted"] == planned > 0
    assert sum(count for (name, *labels), count in said.items() if name == "digest_attempts_total") >= planned


def test_the_file_is_whole_and_readable_by_others(sample: World, tmp_path: Path) -> None:
    target = tmp_path / "collector" / "digest.prom"
    for _ in range(2):
        assert sample.digest("metrics", "--write", str(target)) == ""
    assert values(target.read_text())["digest_database_up",] == 1
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert [path.name for path in target.parent.iterdir()] == ["digest.prom"]
    assert values(sample.digest("metrics")).keys() == values(target.read_text()).keys()
