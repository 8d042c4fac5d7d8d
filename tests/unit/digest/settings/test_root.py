from pathlib import Path

import pytest

from digest.runtime.errors import ConfigError, WorkspaceNotFoundError
from digest.settings.publication import pick, pick_own
from digest.settings.root import find_workspace, load_settings

GOOD = '[publication]\nname = "P"\nsender_address = "p@example.org"\n'
SECRETS = '[secrets]\nlink_keys = ["k"]\nsuppression_key = "s"\nmessage_key = "m"\n'


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "digest.toml").write_text(GOOD)
    (tmp_path / "secrets.toml").write_text(SECRETS)
    return tmp_path


def test_a_minimal_file_is_enough(workspace: Path) -> None:
    settings = load_settings(workspace)
    assert settings.database_url == f"sqlite:///{workspace}/digest.db"
    assert settings.publication.sender_domain == "example.org"


def test_the_workspace_is_found_from_a_folder_below(workspace: Path) -> None:
    (workspace / "articles" / "2021").mkdir(parents=True)
    assert find_workspace(workspace / "articles" / "2021") == workspace
    with pytest.raises(WorkspaceNotFoundError):
        find_workspace(Path("/"))


def test_the_environment_wins_over_the_file(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_DATABASE__URL", "sqlite:///other.db")
    assert load_settings(workspace).database_url == "sqlite:///other.db"


def test_env_file_beats_the_toml_and_yields_to_the_environment(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / ".env").write_text("DIGEST_DATABASE__URL=sqlite:///env-file.db\n")
    assert load_settings(workspace).database_url == "sqlite:///env-file.db"
    monkeypatch.setenv("DIGEST_DATABASE__URL", "sqlite:///env.db")
    assert load_settings(workspace).database_url == "sqlite:///env.db"


def test_secrets_come_from_files_too(workspace: Path) -> None:
    (workspace / "secrets.toml").unlink()
    environment = {}
    for name, text in (("LINK_KEYS", "new\nold\n"), ("SUPPRESSION_KEY", "s\n"), ("MESSAGE_KEY", "m\n")):
        (workspace / name).write_text(text)
        environment[f"DIGEST_SECRETS__{name}_FILE"] = str(workspace / name)
    keys = load_settings(workspace, environment).secrets.link_keys
    assert [key.get_secret_value() for key in keys] == ["new", "old"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + 'nmae = "x"\n', "publication.nmae: unknown key; did you mean 'name'?"),
        (GOOD + 'timezone = "Mars/Olympus"\n', "unknown time zone 'Mars/Olympus'"),
        (GOOD + 'language = "klingon"\n', "not a language code"),
        (GOOD + 'language = "de"\n', "publication.language: the program's own texts are not translated"),
        (GOOD + 'language = "KO"\n', "not translated into 'KO'; use en or ko"),
        (GOOD + 'tagline = {kr = "매달"}\n', "publication.tagline: 'kr' is not a language code"),
        (GOOD + '[[section]]\nslug="a"\ntitle={en = "A", de = "B"}\n', "section.0.title: "),
        (GOOD + '[[interest]]\nslug="a"\ntitle="A"\ndescription={e_n = "A"}\n', "'e_n' is not a language code"),
        (GOOD + 'base_url = "ftp://x"\n', "https://"),
        ('[publication]\nname = "P"\nsender_address = "nobody"\n', "publication.sender_address"),
        (GOOD + '[[section]]\nslug="a"\ntitle="A"\n[[section]]\nslug="a"\ntitle="B"\n', "'a' occurs twice"),
        (GOOD + '[signup]\nprivacy_policy = "javascript:alert(1)"\n', "is not a web address"),
        (GOOD + '[signup]\nprivacy_policy = { ko = "www.example.org" }\n', "is not a web address"),
        (GOOD + '[signup]\nname = "yes"\n', "signup.name"),
        (
            GOOD + '[feedback]\nses_topics = ["arn:aws:sqs:eu-west-1:1:x"]\n',
            "is not a topic such as arn:aws:sns:eu-west-1:123456789012:bounces",
        ),
        (GOOD + '[feedback]\nses_topics = ["arn:aws:sns:e.evil/:123456789012:x"]\n', "is not a topic"),
        ("[publication\n", "not valid TOML"),
        ("\x00", "not valid TOML"),
        ("", "publication: Field required"),
    ],
)
def test_every_mistake_is_named(workspace: Path, text: str, told: str) -> None:
    (workspace / "digest.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(workspace)
    assert told in caught.value.message


def test_a_file_that_is_not_utf8_is_named(workspace: Path) -> None:
    (workspace / "digest.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"digest\.toml"):
        load_settings(workspace)


def test_texts_fall_back_to_base_language_then_all_then_any() -> None:
    assert pick({"en": "A", "ko": "가"}, "ko-KR") == "가"
    assert pick({"*": "A"}, "fr") == "A"
    assert pick({"ko": "가"}, "fr") == "가"
    assert pick({}, "fr") == ""


def test_an_own_text_is_never_that_of_another_language() -> None:
    assert pick_own({"ko": "가"}, "en") == ""
    assert pick_own({"ko": "가"}, "ko-KR") == "가"
    assert pick_own({"ko": "가", "*": "A"}, "en") == "A"


def test_a_regional_language_has_the_catalogue_of_its_base(workspace: Path) -> None:
    (workspace / "digest.toml").write_text(GOOD + 'language = "en-GB"\n')
    assert load_settings(workspace).languages[0] == "en-GB"


PACED = (
    GOOD
    + """
[delivery]
window = "3h"
families.google = {domains = ["school.example"], per_second = 20}
[[relay]]
host = "mx1.example.org"
weight = 3
limits = {connections = 4, per_day = 1000, warm_up = [10, 100]}
"""
)


def test_pace_is_configured_by_relay_and_by_family(workspace: Path) -> None:
    (workspace / "digest.toml").write_text(PACED)
    settings = load_settings(workspace)
    (relay,) = settings.relay
    assert (relay.limits.connections, relay.limits.warm_up, relay.limits.messages_per_connection) == (4, (10, 100), 100)
    assert settings.delivery.families["google"].per_second == 20


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ('window = "3h"', 'window = "three hours"', "delivery.window: .*not a duration.*30m, 12h or 7d"),
        ("families.google", 'families."Google Mail"', "delivery.families: .*not a valid family name"),
        ("per_second = 20", "per_second = 0", "delivery.families.google.per_second"),
        ("per_second = 20", "per_secnd = 20", "unknown key; did you mean 'per_second'"),
        ("connections = 4", "connections = 0", "relay.0.limits.connections"),
        ("per_day = 1000", "per_dya = 1000", "unknown key; did you mean 'per_day'"),
    ],
)
def test_a_wrong_pace_is_told_with_its_place(workspace: Path, wrong: str, right: str, told: str) -> None:
    (workspace / "digest.toml").write_text(PACED.replace(wrong, right))
    with pytest.raises(ConfigError, match=told):
        load_settings(workspace)


TOKEN = (
    GOOD
    + """
[[relay]]
host = "smtp.example.org"
username = "news@example.org"
token_url = "https://login.example.org/token"
client_id = "id"
refresh_token_file = "refresh"
client_secret_file = "client"
"""
)


def test_a_relay_is_logged_in_at_by_a_token(workspace: Path) -> None:
    (workspace / "digest.toml").write_text(TOKEN)
    (relay,) = load_settings(workspace).relay
    assert relay.secret_files == {"client_secret_file": "client", "refresh_token_file": "refresh"}


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ('client_id = "id"', 'password_file = "pw"', "password_file and token_url cannot be combined"),
        ('client_id = "id"', "token_command = ['true']", "token_command and token_url cannot be combined"),
        ('username = "news@example.org"', "", "token_url needs username"),
        ('client_id = "id"', "", "token_url needs client_id"),
        (
            'refresh_token_file = "refresh"\nclient_secret_file = "client"',
            "",
            "and refresh_token_file or client_secret",
        ),
        ('token_url = "https://login.example.org/token"', "", "client_id needs token_url"),
        ("https://login", "http://login", "token_url must be https"),
        ("https://login", "https://me:pw@login", "token_url must have the form https"),
        ("token_url", "token_urll", "unknown key; did you mean 'token_url'"),
        ("client_id", "token_command = '\"open'\nclient_id", "token_command.*No closing quotation"),
        ("client_id", "token_command = []\nclient_id", "use a command with its arguments"),
        ("client_id", "token_command = ' '\nclient_id", "use a command with its arguments"),
    ],
)
def test_a_login_that_cannot_be_meant_is_told(workspace: Path, wrong: str, right: str, told: str) -> None:
    (workspace / "digest.toml").write_text(TOKEN.replace(wrong, right))
    with pytest.raises(ConfigError, match=told):
        load_settings(workspace)
