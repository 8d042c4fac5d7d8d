"""The encoding and the separator of a file are found from what stands in it."""

import pytest

from subscribers.text_files import declared_separator, decoded, known_encoding, likely_encoding, separator_of


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp949", "ben@example.org,김민수"),
        ("cp949", "똠방각하, 펲시콜라는 한국 사람 입니다"),
        ("cp932", "山田太郎, やまだ"),
        ("euc_jp", "日本のひらがな"),
        ("gb18030", "王小明,李娜,张伟,北京市"),
        ("big5", "王小明,陳大文,臺北市"),
        ("cp1252", "Jürgen Größe, José Ñandú, Ærø"),
        ("cp1252", "It’s “fine” – 5 €"),
        ("cp1250", "Łódź Dvořák, Žižka, Győr"),
        ("cp1254", "Yıldız Şahin Öğretmen"),
        ("cp1251", "Иван Петров"),
        ("koi8_r", "Иван Петров, Мария"),
        ("cp1253", "Γιώργος Παπαδόπουλος"),
        ("cp1255", "שלום עולם"),
        ("cp1256", "محمد علي"),
        ("mac_roman", "Müller José façade “x”"),
        ("utf-16", "a,b"),
    ],
)
def test_the_likely_encoding_is_found(encoding: str, text: str) -> None:
    assert likely_encoding(text.encode(encoding) + b"\n")[0] == encoding


def test_noise_has_no_likely_encoding() -> None:
    assert likely_encoding(bytes(range(256))) == ("", "")


@pytest.mark.parametrize(
    ("header", "separator"),
    [
        ("email,name", ","),
        ("email;name", ";"),
        ("email\tname", "\t"),
        ("email|name", "|"),
        ("email", ","),
        ('"name, first; last";email;x', ";"),
        ("", ","),
    ],
)
def test_the_separator_names_the_most_columns(header: str, separator: str) -> None:
    assert separator_of(header) == separator


@pytest.mark.parametrize(
    ("line", "separator"), [("sep=;", ";"), ('"SEP=,"\r\n', ","), ("sep=\t", "\t"), ("sep=", ""), ("sep=a", "")]
)
def test_a_first_line_may_declare_the_separator(line: str, separator: str) -> None:
    assert declared_separator(line) == separator


def test_utf8_is_never_read_as_something_else() -> None:
    assert decoded("김".encode(), "cp949") == decoded("김".encode("cp949"), "cp949") == "김"
    assert [known_encoding(name) for name in ("cp949", "nope", "base64", "\0")] == [True, False, False, False]
