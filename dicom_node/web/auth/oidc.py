"""Signing in by OpenID Connect: authorisation code with PKCE, groups become a role.

What a flow has to remember is with the browser, in a cookie that scripts do not see:
any process of the node can finish what another began.
"""

import base64
import hmac
import json
import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from dicom_node.web.auth.access import role_of_groups
from dicom_node.web.auth.principal import AccessRole, Principal, PrincipalKind

logger = logging.getLogger(__name__)
_TIMEOUT_S = 10.0
_LEEWAY_S = 60
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384"]
"""Signatures by a key that the provider alone has."""


class OidcRefused(Exception):
    """Nobody is known by this; the text says why, and holds nothing that was sent."""


@dataclass(frozen=True, slots=True)
class OidcProvider:
    """A provider, and what its words mean here.

    Parameters
    ----------
    name
        As people know it.
    issuer
        Below which its description is.
    client_id, client_secret
        What it calls this node by.
    scopes
        What is asked for.
    name_claim, groups_claim
        In which it says who somebody is, and of which groups.
    roles
        Group -> role; the greatest counts.
    """

    name: str
    issuer: str
    client_id: str
    client_secret: str
    scopes: tuple[str, ...]
    name_claim: str
    groups_claim: str
    roles: Mapping[str, AccessRole]


class OidcLogin:
    """Goes to the provider and comes back.

    Parameters
    ----------
    provider
        Who is asked.
    """

    def __init__(self, provider: OidcProvider) -> None:
        self._provider = provider
        self._described: Mapping[str, Any] | None = None
        self._describing = threading.Lock()

    @property
    def name(self) -> str:
        """The provider, as people know it."""
        return self._provider.name

    def begin(self, callback: str, wanted: str) -> tuple[str, str]:
        """Say where to send a browser, and what it has to bring back.

        Raises
        ------
        OidcRefused
            The provider cannot be reached.
        """
        nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
        with self._client(callback) as client:
            place, state = client.create_authorization_url(
                self._description()["authorization_endpoint"],
                code_verifier=verifier,
                nonce=nonce,
            )
        flow = json.dumps([state, nonce, verifier, wanted]).encode()
        return str(place), base64.urlsafe_b64encode(flow).decode().rstrip("=")

    def finish(
        self, callback: str, flow: str, answer: Mapping[str, str]
    ) -> tuple[Principal | None, str]:
        """Find out who came back, and what was wanted; ``None`` has no role here.

        Raises
        ------
        OidcRefused
            It is not known who it is.
        """
        state, nonce, verifier, wanted = _remembered(flow)
        if not hmac.compare_digest(state.encode(), answer.get("state", "").encode()):
            raise OidcRefused("the answer belongs to another sign-in")
        if "code" not in answer:
            raise OidcRefused("it did not say who you are")
        if answer.get("iss", self._provider.issuer) != self._provider.issuer:
            raise OidcRefused("the answer comes from another provider")
        claims = self._claims(callback, answer["code"], verifier, nonce)
        return self._principal(claims), wanted

    def _principal(self, claims: Mapping[str, Any]) -> Principal | None:
        provider = self._provider
        name = claims.get(provider.name_claim) or claims.get("sub")
        groups = claims.get(provider.groups_claim) or ()
        if isinstance(groups, str):
            groups = (groups,)
        if not isinstance(name, str) or not isinstance(groups, list | tuple):
            raise OidcRefused("it said something that is no name, or no group")
        role = role_of_groups((str(one) for one in groups), provider.roles)
        return Principal(name, role, PrincipalKind.OIDC) if role else None

    def _claims(
        self, callback: str, code: str, verifier: str, nonce: str
    ) -> Mapping[str, Any]:
        described = self._description()
        try:
            with self._client(callback) as client:
                told = client.fetch_token(
                    described["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                )
                claims = self._checked(told.get("id_token", ""), nonce)
                if self._provider.groups_claim not in claims:
                    claims = self._more(client, claims)
        except OidcRefused:
            raise
        except Exception as error:  # its libraries' errors have no common base
            logger.warning(
                "Signing in by OpenID Connect failed: %s.",
                type(error).__name__,
                extra={"action": "login"},
            )
            raise OidcRefused("its answer cannot be used") from error
        return claims

    def _more(self, client: Any, claims: dict[str, Any]) -> dict[str, Any]:
        """Ask for what was not said at once; it has to be about the same person."""
        place = self._description().get("userinfo_endpoint")
        if not place:
            return claims
        answer = client.get(place)
        answer.raise_for_status()
        said: dict[str, Any] = answer.json()
        if said.get("sub") != claims["sub"]:
            raise OidcRefused("it speaks of two people")
        return said | claims

    def _checked(self, token: str, nonce: str) -> dict[str, Any]:
        """Check whose word it is, for whom, and for which sign-in."""
        from joserfc import jwt  # noqa: PLC0415  an extra

        provider = self._provider
        registry = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": provider.issuer},
            aud={"essential": True, "value": provider.client_id},
            sub={"essential": True},
            exp={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        claims = jwt.decode(token, self._keys(), algorithms=_ALGORITHMS).claims
        registry.validate(claims)
        if claims.get("azp", provider.client_id) != provider.client_id:
            raise OidcRefused("the answer is for somebody else")
        return dict(claims)

    def _keys(self) -> Any:
        """Fetch the keys of now: they are exchanged at times, and logins are rare."""
        from joserfc import jwk  # noqa: PLC0415  an extra

        told: Any = _fetched(self._description()["jwks_uri"])
        return jwk.KeySet.import_key_set(told)

    def _description(self) -> Mapping[str, Any]:
        with self._describing:
            if self._described is None:
                base = self._provider.issuer.rstrip("/")
                said = _fetched(f"{base}/.well-known/openid-configuration")
                if said.get("issuer") != self._provider.issuer:
                    raise OidcRefused("its description is another provider's")
                self._described = said
            return self._described

    def _client(self, callback: str) -> Any:
        from authlib.integrations.httpx_client import (  # noqa: PLC0415  an extra
            OAuth2Client,
        )

        provider = self._provider
        return OAuth2Client(
            provider.client_id,
            provider.client_secret or None,
            token_endpoint_auth_method=(
                "client_secret_basic" if provider.client_secret else "none"
            ),
            scope=" ".join(provider.scopes),
            redirect_uri=callback,
            code_challenge_method="S256",
            timeout=_TIMEOUT_S,
        )


def is_acceptable_issuer(url: str) -> bool:
    """Tell whether nobody can speak in an issuer's place."""
    parts = urlsplit(url)
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and here)
    )


def _fetched(url: str) -> dict[str, Any]:
    try:
        answer = httpx2.get(url, timeout=_TIMEOUT_S)
        answer.raise_for_status()
        said = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise OidcRefused("it cannot be reached") from error
    if not isinstance(said, dict):
        raise OidcRefused("its answer cannot be used")
    return said


def _remembered(flow: str) -> tuple[str, str, str, str]:
    try:
        padded = flow + "=" * (-len(flow) % 4)
        state, nonce, verifier, wanted = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, TypeError) as error:
        raise OidcRefused("the sign-in took too long, or did not begin here") from error
    return str(state), str(nonce), str(verifier), str(wanted)
