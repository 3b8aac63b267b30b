"""Authlib's OAuth 2.0 server on Flask, in a thread, with rotation and reuse detection; it keeps all in memory."""

import secrets
import threading
import time
from dataclasses import dataclass, field

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin, grants, list_to_scope, scope_to_list
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9207 import IssuerParameter
from flask import Flask, jsonify, request
from werkzeug.serving import make_server


@dataclass
class Client(ClientMixin):
    client_id: str
    client_secret: str
    redirect_uris: list
    method: str

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return self.redirect_uris[0]

    def get_allowed_scope(self, scope):
        return list_to_scope([one for one in scope_to_list(scope or "read") if one in ("read", "write")])

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret):
        return secrets.compare_digest(self.client_secret, client_secret)

    def check_endpoint_auth_method(self, method, endpoint):
        return method == self.method

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type in ("authorization_code", "refresh_token") or self.method != "none"


@dataclass
class Code(AuthorizationCodeMixin):
    code: str
    client_id: str
    redirect_uri: str
    scope: str
    user: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope


@dataclass
class Issued(TokenMixin):
    client_id: str
    user: object
    access_token: str
    refresh_token: str | None
    scope: str
    expires_in: int
    family: list
    issued_at: float = field(default_factory=time.time)
    access_revoked: bool = False
    refresh_revoked: bool = False

    def check_client(self, client):
        return self.client_id == client.client_id

    def get_scope(self):
        return self.scope

    def get_expires_in(self):
        return self.expires_in

    def is_expired(self):
        return self.issued_at + self.expires_in < time.time()

    def is_revoked(self):
        return self.access_revoked

    @property
    def is_live(self):
        return not self.access_revoked and not self.is_expired()


class AuthlibServer:
    """The server; `approve` is what a user does who is signed in and agrees."""

    def __init__(self, client_id, client_secret, redirect_uris):
        self.codes, self.tokens, self.token_requests = {}, [], 0
        methods = {client_id: "client_secret_basic", f"{client_id}-post": "client_secret_post", "public": "none"}
        self.clients = {
            name: Client(name, "" if method == "none" else client_secret, redirect_uris, method)
            for name, method in methods.items()
        }
        self.app = Flask(__name__)
        self.app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
        self.app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"authorization_code": 60, "client_credentials": 60}
        self.app.config["OAUTH2_TOKEN_EXPIRES_IN"]["refresh_token"] = 60
        self._server = make_server("127.0.0.1", 0, self.app, threaded=True)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._build()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def forget(self, access_token):
        """Refuse an access token from now on, and leave its refresh token alone."""
        self.find(access_token).access_revoked = True

    def approve(self, url):
        import requests

        return requests.get(url, allow_redirects=False, timeout=10).headers["Location"]

    def _build(self):
        here = self
        server = AuthorizationServer(self.app, self.clients.get, self._save)

        class CodeGrant(grants.AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]  # noqa: RUF012

            def save_authorization_code(self, code, request):
                data = request.payload.data
                challenge = data.get("code_challenge"), data.get("code_challenge_method")
                redirect_uri, scope = request.payload.redirect_uri, request.payload.scope
                here.codes[code] = Code(code, request.client.client_id, redirect_uri, scope, request.user, *challenge)

            def query_authorization_code(self, code, client):
                found = here.codes.get(code)
                return found if found is not None and found.client_id == client.client_id else None

            def delete_authorization_code(self, authorization_code):
                del here.codes[authorization_code.code]

            def authenticate_user(self, authorization_code):
                return authorization_code.user

        class RefreshGrant(grants.RefreshTokenGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]  # noqa: RUF012
            INCLUDE_NEW_REFRESH_TOKEN = True

            def authenticate_refresh_token(self, refresh_token):
                found = here.find(refresh_token)
                if found is not None and found.refresh_revoked:  # RFC 9700 §4.14.2
                    for token in found.family:
                        token.access_revoked = token.refresh_revoked = True
                return found if found is not None and not found.refresh_revoked else None

            def authenticate_user(self, refresh_token):
                return refresh_token.user

            def revoke_old_credential(self, refresh_token):
                refresh_token.refresh_revoked = refresh_token.access_revoked = True
                refresh_token.family.append(here.tokens[-1])
                here.tokens[-1].family = refresh_token.family

        class Credentials(grants.ClientCredentialsGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]  # noqa: RUF012

        class Revocation(RevocationEndpoint):
            CLIENT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]  # noqa: RUF012

            def query_token(self, token_string, token_type_hint):
                return here.find(token_string)

            def revoke_token(self, token, request):
                token.access_revoked = True
                if request.form["token"] == token.refresh_token:
                    token.refresh_revoked = True

        class Introspection(IntrospectionEndpoint):
            CLIENT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]  # noqa: RUF012

            def query_token(self, token_string, token_type_hint):
                return here.find(token_string)

            def check_permission(self, token, client, request):
                return True

            def introspect_token(self, token):
                exp = int(token.issued_at + token.expires_in)
                who = {"client_id": token.client_id, "username": token.user, "scope": token.scope}
                return {"active": token.is_live, "exp": exp, **who}

        class Issuer(IssuerParameter):
            def get_issuer(self):
                return here.issuer

        server.register_grant(CodeGrant, [CodeChallenge(required=True)])
        server.register_grant(RefreshGrant)
        server.register_grant(Credentials)
        server.register_endpoint(Revocation)
        server.register_endpoint(Introspection)
        server.register_extension(Issuer())

        @self.app.get("/.well-known/oauth-authorization-server")
        def metadata():
            names = ("authorization", "token", "revocation", "introspection")
            return jsonify(
                issuer=self.issuer,
                authorization_response_iss_parameter_supported=True,
                token_endpoint_auth_methods_supported=["client_secret_basic", "client_secret_post", "none"],
                **{f"{name}_endpoint": f"{self.issuer}/{name}" for name in names},
            )

        @self.app.get("/authorization")
        def authorization():
            return server.create_authorization_response(grant_user="melo", grant=server.get_consent_grant("melo"))

        @self.app.post("/token")
        def token():
            self.token_requests += 1
            return server.create_token_response()

        @self.app.post("/revocation")
        def revocation():
            return server.create_endpoint_response("revocation")

        @self.app.post("/introspection")
        def introspection():
            return server.create_endpoint_response("introspection")

        @self.app.get("/me")
        def me():
            found = self.find(request.headers.get("Authorization", "").removeprefix("Bearer "))
            if found is None or not found.is_live:
                return jsonify(error="invalid_token"), 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return jsonify(sub=found.user)

    def _save(self, token, request):
        scope, refresh = token.get("scope", ""), token.get("refresh_token")
        issued = Issued(
            request.client.client_id, request.user, token["access_token"], refresh, scope, token["expires_in"], []
        )
        issued.family.append(issued)
        self.tokens.append(issued)

    def find(self, value):
        return next((one for one in self.tokens if value and value in (one.access_token, one.refresh_token)), None)
