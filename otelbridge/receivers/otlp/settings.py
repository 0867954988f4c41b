"""Settings that both protocols share, and what they mean to a server: where to listen, TLS, who may send."""

from __future__ import annotations

import hmac
import ssl
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from otelbridge.core.component import ComponentConfig
from otelbridge.core.errors import CannotStart
from otelbridge.telemetry.serving import Address

MEBIBYTE = 1024 * 1024


def _is_address(text: str) -> str:
    Address.parse(text)
    return text


Endpoint = Annotated[str, AfterValidator(_is_address)]


class TlsSettings(ComponentConfig):
    """Encryption of connections, and with `client_ca_file` proof of who the client is."""

    cert_file: Path
    """The server's certificate and those that lead to its authority, PEM."""

    key_file: Path
    """The private key of the certificate, PEM, without a password."""

    client_ca_file: Path | None = None
    """Only clients with a certificate of this authority may connect (mutual TLS)."""

    def check(self, setting: str) -> None:
        """Raise CannotStart unless a server can use these files; `setting` is where they stand in the configuration."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for name in ("cert_file", "key_file", "client_ca_file"):
            path: Path | None = getattr(self, name)
            try:
                if path is not None:
                    path.read_bytes()
            except OSError as error:
                raise CannotStart(f"{path} cannot be read ({setting}.{name}): {error.strerror}") from None
        try:
            context.load_cert_chain(self.cert_file, self.key_file)
            if self.client_ca_file is not None:
                context.load_verify_locations(self.client_ca_file)
        except ssl.SSLError as error:
            raise CannotStart(f"the certificates of {setting} cannot be used: {error}") from None


class AuthSettings(ComponentConfig):
    """Who may send. Use it with TLS: without, the token travels in the clear."""

    bearer: SecretStr = Field(min_length=1)
    """Requests must carry `Authorization: Bearer <this token>`."""

    def allows(self, authorization: str | bytes | None) -> bool:
        """Whether a request with this header may pass; takes as long for a wrong token as for the right one."""
        given = authorization.encode() if isinstance(authorization, str) else authorization or b""
        scheme, _, token = given.partition(b" ")
        expected = self.bearer.get_secret_value().encode()
        return hmac.compare_digest(token.strip(), expected) and scheme.lower() == b"bearer"
