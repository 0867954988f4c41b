from __future__ import annotations

import re
from pathlib import Path

import pytest

from otelbridge.core.errors import CannotStart
from otelbridge.receivers.otlp.settings import Address, AuthSettings, TlsSettings
from tests.receivers.otlp.conftest import CERTIFICATES

SERVER = {"cert_file": CERTIFICATES / "server.pem", "key_file": CERTIFICATES / "server.key"}


@pytest.mark.parametrize("text", ["127.0.0.1:4317", "localhost:0", "[::]:65535", "collector.internal:4317"])
def test_an_address_reads_as_it_is_written(text: str) -> None:
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4317",
        ":4317",
        "localhost",
        "localhost:",
        "localhost:65536",
        "localhost:-1",
        "::1:4317",
        "localhost:\uff14317",
    ],
)
def test_other_text_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        Address.parse(text)


def test_the_token_is_shown_nowhere() -> None:
    auth = AuthSettings.model_validate({"bearer": "s3cret"})
    assert "s3cret" not in f"{auth!r} {auth} {auth.model_dump_json()}"


@pytest.mark.parametrize(
    "header", [None, "", "s3cret", "Bearer", "Bearer s3cre", "Bearer s3crets", "Bearer S3CRET", b"Bearer \xff"]
)
def test_only_the_whole_token_passes(header: str | bytes | None) -> None:
    auth = AuthSettings.model_validate({"bearer": "s3cret"})
    assert auth.allows("Bearer s3cret")
    assert not auth.allows(header)


def test_usable_certificates_pass() -> None:
    TlsSettings(**SERVER, client_ca_file=CERTIFICATES / "authority.pem").check("receivers.otlp.protocols.grpc.tls")


@pytest.mark.parametrize("name", ["cert_file", "key_file", "client_ca_file"])
def test_a_missing_file_is_one_clear_line(name: str) -> None:
    missing = Path("/nowhere/at-all.pem")
    with pytest.raises(CannotStart) as caught:
        TlsSettings(**{**SERVER, name: missing}).check("tls")
    assert str(caught.value) == f"{missing} cannot be read (tls.{name}): No such file or directory"


@pytest.mark.parametrize(
    "files",
    [
        {"cert_file": CERTIFICATES / "client.pem"},
        {"key_file": CERTIFICATES / "server.pem"},
        {"client_ca_file": CERTIFICATES / "server.key"},
    ],
)
def test_files_that_do_not_fit_are_one_clear_line(files: dict[str, Path]) -> None:
    with pytest.raises(CannotStart, match=re.escape("the certificates of tls cannot be used")) as caught:
        TlsSettings(**{**SERVER, **files}).check("tls")
    assert "\n" not in str(caught.value)
