"""The test Hub's sign-in: an OpenID Connect provider small enough to read, real enough for authlib.

Used by tests/hub_server.py only. Whoever a `login_as` cookie or query names is signed in; without one, a page asks.
"""

import html
import secrets
import time
from functools import cached_property
from typing import Any
from urllib.parse import urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.hub_store import HubError, git_sha1

SECONDS = 8 * 3600


class SignIn:
    """Codes given out and not yet exchanged, and the key that signs id tokens. `issuer` is the server's endpoint."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._codes: dict[str, dict[str, str]] = {}

    @cached_property
    def _key(self) -> RSAKey:
        return RSAKey.generate_key(2048, {"kid": "test", "use": "sig", "alg": "RS256"})

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/oauth/authorize",
            "token_endpoint": f"{self.issuer}/oauth/token",
            "userinfo_endpoint": f"{self.issuer}/oauth/userinfo",
            "jwks_uri": f"{self.issuer}/oauth/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }

    def keys(self) -> dict[str, Any]:
        return {"keys": [self._key.as_dict(private=False)]}

    def authorize(self, name: str, query: dict[str, str]) -> str:
        """Sign `name` in; gives the address to go back to."""
        if not query.get("redirect_uri"):
            raise HubError(400, "redirect_uri is missing")
        code = secrets.token_urlsafe(16)
        wanted = {key: query.get(key, "") for key in ("scope", "nonce", "client_id")}
        self._codes[code] = {"name": name} | wanted
        back = query["redirect_uri"]
        joint = "&" if urlsplit(back).query else "?"
        return back + joint + urlencode({"code": code, "state": query.get("state", "")})

    def page(self, query: dict[str, str]) -> str:
        """The sign-in page, for a browser that brought no `login_as`."""
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(key)}" value="{html.escape(value)}">'
            for key, value in query.items()
        )
        field = '<label>User name <input name="login_as" required></label>'
        form = f'<form action="/oauth/authorize">{hidden}{field}<button>Authorize</button></form>'
        return f"<!doctype html><title>Sign in</title>{form}"

    def exchange(self, code: str, client: str) -> dict[str, Any]:
        """The tokens for a code, once. The access token is `hf_<user>:<scopes>`."""
        given = self._codes.pop(code, None)
        if given is None or given["client_id"] != client:
            raise HubError(400, "The code is not valid", error="invalid_grant")
        now = int(time.time())
        claims = self.claims(given["name"]) | {"iss": self.issuer, "aud": client, "iat": now, "exp": now + SECONDS}
        if given["nonce"]:
            claims["nonce"] = given["nonce"]
        return {
            "access_token": f"hf_{given['name']}:{','.join(given['scope'].split())}",
            "token_type": "bearer",
            "expires_in": SECONDS,
            "scope": given["scope"],
            "id_token": jwt.encode({"alg": "RS256", "kid": "test"}, claims, self._key),
        }

    def claims(self, name: str) -> dict[str, Any]:
        return {
            "sub": git_sha1(name.encode())[:24],
            "name": name.title(),
            "preferred_username": name,
            "profile": f"{self.issuer}/{name}",
            "picture": f"{self.issuer}/avatars/{name}.svg",
            "website": "",
        }
