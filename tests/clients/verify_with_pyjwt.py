"""A resource server of somebody else's: Python with PyJWT, which knows nothing of Keywright but its issuer's URL.

Usage: python verify_with_pyjwt.py CREDENTIALS_FILE
"""

import base64
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

import jwt

ALGORITHMS = ["ES256", "EdDSA", "RS256"]
TIMEOUT = 20


def request(url, form=None, headers=None):
    """Sends a GET, or a POST when there is a form; gives status and body."""
    data = urllib.parse.urlencode(form).encode() if form is not None else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers or {}), timeout=TIMEOUT) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


def with_claim(token, name, value):
    """The token with one claim changed, under its old signature."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims[name] = value
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{header}.{payload}.{signature}"


def must_refuse(error, verify, *arguments, **options):
    """Fails unless the call raises exactly the kind of error that is meant."""
    try:
        verify(*arguments, **options)
    except error:
        return
    raise AssertionError(f"was accepted instead of {error.__name__}")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        credentials = json.load(file)
    auth, api = credentials["authUrl"], credentials["apiUrl"]
    keys = jwt.PyJWKClient(auth + "/.well-known/jwks.json", timeout=TIMEOUT)

    def verify(token, issuer=auth, audience=auth):
        key = keys.get_signing_key_from_jwt(token)
        complete = jwt.decode_complete(
            token,
            key.key,
            algorithms=ALGORITHMS,
            issuer=issuer,
            audience=audience,
            options={"require": ["exp", "nbf", "iat", "iss", "aud", "sub", "jti"]},
        )
        assert complete["header"]["typ"] == "at+jwt", complete["header"]
        return complete["payload"]

    for name, key in sorted(credentials["personalAccessKeys"].items()):
        status, body = request(auth + "/auth/v3/token", {"personalAccessKey": key})
        assert status == 200, (name, status, body)
        token = body["access_token"]
        claims = verify(token)
        assert claims["exp"] - claims["iat"] == body["expires_in"], claims
        assert claims["keyKind"] == "personalAccessKey", claims
        must_refuse(jwt.InvalidSignatureError, verify, with_claim(token, "roles", ["owner", "more"]))
        must_refuse(jwt.InvalidAudienceError, verify, token, audience="https://other.example")
        must_refuse(jwt.InvalidIssuerError, verify, token, issuer="https://other.example")
        if name == "owner":
            for authorization in (token, f"Bearer {token}", f"bearer {token}"):
                status, profiles = request(api + "/distribution/v2/profiles", headers={"Authorization": authorization})
                assert status == 200 and len(profiles) == 3, (status, profiles)
            status, body = request(api + "/distribution/v2/profiles", headers={"Authorization": with_claim(token, "email", "x@example.com")})
            assert status == 401, (status, body)
            status, body = request(api + "/distribution/v2/profiles", headers={"Authorization": key})
            assert status == 401, (status, body)
        print(f"PyJWT: the token of {name} verified, altered ones refused")


main()
