"""Clients of somebody else's in Python: Authlib and requests-oauth2client, from the issuer's metadata alone, with tokens that PyJWT accepts.

Usage: python oauth_with_python.py CREDENTIALS_FILE
"""

import json
import sys
import urllib.request

import jwt
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from requests_oauth2client import InvalidScope, OAuth2Client

READ = "distribution.profile.view"
PERSONAL_ACCESS_KEY = "urn:keywright:params:oauth:token-type:personal-access-key"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
TIMEOUT = 20


def metadata(issuer):
    with urllib.request.urlopen(issuer + "/.well-known/oauth-authorization-server", timeout=TIMEOUT) as answer:
        return json.load(answer)


class Api:
    """A resource server with PyJWT."""

    def __init__(self, issuer, jwks_uri):
        self.issuer = issuer
        self.keys = jwt.PyJWKClient(jwks_uri, timeout=TIMEOUT)

    def accept(self, token):
        key = self.keys.get_signing_key_from_jwt(token)
        return jwt.decode(token, key.key, algorithms=["ES256", "EdDSA", "RS256"], issuer=self.issuer, audience=self.issuer)


def with_authlib(credentials, server, api, key):
    for method in ("client_secret_basic", "client_secret_post"):
        session = OAuth2Session(key["name"], key["secret"], token_endpoint_auth_method=method, default_timeout=TIMEOUT)
        token = session.fetch_token(server["token_endpoint"], grant_type="client_credentials", scope=READ)
        assert token["scope"] == READ, token
        claims = api.accept(token["access_token"])
        assert claims["client_id"] == key["id"], claims
        known = session.introspect_token(server["introspection_endpoint"], token=token["access_token"]).json()
        assert known["active"] and known["scope"] == READ, known
        holder = session.get(server["userinfo_endpoint"]).json()
        assert holder["sub"] == claims["sub"], holder
        assert session.revoke_token(server["revocation_endpoint"], token=token["access_token"]).status_code == 200
        assert session.introspect_token(server["introspection_endpoint"], token=token["access_token"]).json() == {"active": False}
        try:
            session.fetch_token(server["token_endpoint"], grant_type="client_credentials", scope="no.such.permission")
        except OAuthError as refused:
            assert refused.error == "invalid_scope", refused
        else:
            raise AssertionError("a permission that does not exist was granted")


def with_requests_oauth2client(credentials, server, api, key):
    client = OAuth2Client(
        token_endpoint=server["token_endpoint"],
        introspection_endpoint=server["introspection_endpoint"],
        revocation_endpoint=server["revocation_endpoint"],
        userinfo_endpoint=server["userinfo_endpoint"],
        auth=(key["id"], key["secret"]),
        testing=True,
    )
    token = client.client_credentials(scope=READ, resource=credentials["authUrl"])
    assert api.accept(token.access_token)["scope"] == READ
    person = client.token_exchange(subject_token=credentials["personalAccessKeys"]["owner"], subject_token_type=PERSONAL_ACCESS_KEY)
    there = credentials["subOrganization"]["id"]
    sub = client.token_exchange(subject_token=person.access_token, subject_token_type=ACCESS_TOKEN, organization_id=there, scope=READ)
    claims = api.accept(sub.access_token)
    assert (claims["currentOrganizationId"], claims["scope"]) == (there, READ), claims
    assert client.introspect_token(sub.access_token)["active"]
    assert client.userinfo(person.access_token)["email"] == credentials["users"]["owner"]["email"]
    assert client.revoke_access_token(token.access_token)
    assert client.introspect_token(token.access_token) == {"active": False}
    try:
        client.client_credentials(scope="no.such.permission")
    except InvalidScope:
        pass
    else:
        raise AssertionError("a permission that does not exist was granted")


def main(path):
    with open(path, encoding="utf-8") as file:
        credentials = json.load(file)
    server = metadata(credentials["authUrl"])
    assert server["issuer"] == credentials["authUrl"]
    api = Api(server["issuer"], server["jwks_uri"])
    key = credentials["apiKeys"]["acme-ci"]
    with_authlib(credentials, server, api, key)
    with_requests_oauth2client(credentials, server, api, key)
    print("Authlib, requests-oauth2client and PyJWT: tokens got, narrowed, asked about and taken back")


main(sys.argv[1])
