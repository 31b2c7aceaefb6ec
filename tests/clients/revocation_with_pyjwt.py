"""A resource server of somebody else's that does all of it itself: it reads token, key set and status list with PyJWT, and knows nothing
of Keywright but its issuer's URL.

Usage: python revocation_with_pyjwt.py CREDENTIALS_FILE
"""

import base64
import json
import sys
import time
import urllib.parse
import urllib.request
import zlib

import jwt

ALGORITHMS = ["ES256", "EdDSA", "RS256"]
LARGEST = 16 * 1024 * 1024
TIMEOUT = 20
WAIT = 30


class TakenBack(Exception):
    pass


class Api:
    """What the resource server consists of."""

    def __init__(self, issuer):
        self.issuer = issuer
        self.keys = jwt.PyJWKClient(issuer + "/.well-known/jwks.json", timeout=TIMEOUT)

    def decode(self, token, typ, required, **expected):
        """The claims, of a JWT of this type that the issuer signed."""
        key = self.keys.get_signing_key_from_jwt(token)
        options = {"require": required}
        complete = jwt.decode_complete(token, key.key, algorithms=ALGORITHMS, issuer=self.issuer, options=options, **expected)
        assert complete["header"]["typ"] == typ, complete["header"]
        return complete["payload"]

    def accept(self, token):
        """The claims of a good token that was not taken back."""
        claims = self.decode(token, "at+jwt", ["exp", "nbf", "iat", "iss", "aud", "sub", "status"], audience=self.issuer)
        entry = claims["status"]["status_list"]
        if self.status(entry["uri"], entry["idx"]):
            raise TakenBack
        return claims

    def status(self, uri, index):
        """One entry of a status list. The list is read anew each time; an API keeps it for `ttl` seconds."""
        status, content_type, body = request(uri, headers={"accept": "application/statuslist+jwt"})
        assert (status, content_type) == (200, "application/statuslist+jwt"), (status, content_type)
        claims = self.decode(body.decode(), "statuslist+jwt", ["exp", "iat", "sub", "ttl", "status_list"], subject=uri)
        status_list = claims["status_list"]
        assert status_list["bits"] == 1, status_list["bits"]
        packed = status_list["lst"]
        inflater = zlib.decompressobj()
        entries = inflater.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), LARGEST)
        assert inflater.eof and not inflater.unused_data, "the list is too long, or broken off"
        return entries[index // 8] >> (index % 8) & 1


def request(url, body=None, headers=None, method=None):
    """Sends it; gives status, type and body of the answer, which must be a good one."""
    with urllib.request.urlopen(urllib.request.Request(url, body, headers or {}, method=method), timeout=TIMEOUT) as answer:
        return answer.status, answer.headers["content-type"], answer.read()


class Owner:
    """Who makes and revokes keys."""

    def __init__(self, credentials):
        self.issuer = credentials["authUrl"]
        self.organization = credentials["rootOrganization"]["id"]
        self.headers = {"content-type": "application/json"}
        person = credentials["users"]["owner"]
        body = {"email": person["email"], "password": person["password"]}
        self.headers["authorization"] = "Bearer " + self.ask("POST", "/auth/v1/sessions", body)["sessionToken"]
        self.keys = "/identity/v1/organizations/current/api-keys"

    def ask(self, method, path, body=None):
        body = None if body is None else json.dumps(body).encode()
        return json.loads(request(self.issuer + path, body, self.headers, method)[2])

    def make(self, name):
        return self.ask("POST", self.keys, {"name": name, "grants": [{"organizationId": self.organization, "roles": ["view-build"]}]})

    def revoke(self, key):
        self.ask("DELETE", f"{self.keys}/{key['id']}")


def exchange(issuer, key):
    form = urllib.parse.urlencode({"name": key["name"], "secret": key["secret"]}).encode()
    return json.loads(request(issuer + "/auth/v1/api-key/token", form)[2])["access_token"]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        credentials = json.load(file)
    owner = Owner(credentials)
    api = Api(owner.issuer)
    key, other = owner.make("PyJWT"), owner.make("PyJWT, another")
    token, other_token = exchange(owner.issuer, key), exchange(owner.issuer, other)
    assert api.accept(token)["sub"] == key["id"]
    owner.revoke(key)
    start = time.monotonic()
    while True:
        try:
            api.accept(token)
        except TakenBack:
            break
        assert time.monotonic() - start < WAIT, "in vain waited for the bit in the status list"
        time.sleep(0.005)
    waited = round((time.monotonic() - start) * 1000)
    assert api.accept(other_token)["sub"] == other["id"]
    print(f"PyJWT: accepts a token by key set and status list, and refuses it {waited} ms after its key was revoked")


main()
