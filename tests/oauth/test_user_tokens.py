"""The life of a user's token: saved, used, refreshed with and without rotation, narrowed, lost, revoked, looked up."""

import json
import threading

import pytest

from krauth import (
    AuthorizationRequired,
    InvalidTokenResponse,
    MemoryStore,
    RefreshPolicy,
    StoreConflict,
    TokenEndpointError,
    TokenStore,
    TokenStoreError,
    TokenTransportError,
)
from krauth._values.record import Record
from krauth.testing import FakeClock

from .conftest import WAYS, fields_of, kinds, never_sent, sent

WEEK = 7 * 86400.0


class FailingStore(MemoryStore):
    """A store that can be switched off."""

    def __init__(self):
        super().__init__()
        self.fails = ()

    def load(self, key):
        self._check("load")
        return super().load(key)

    def save(self, key, value, **settings):
        self._check("save")
        return super().save(key, value, **settings)

    def _check(self, what):
        if what in self.fails:
            raise TokenStoreError(f"{what} failed, as ordered")


class LeaselessStore(TokenStore):
    """Shares another store's entries and grants each caller a lease, as a minimal plugin does."""

    def __init__(self, store):
        self._store = store

    def load(self, key):
        return self._store.load(key)

    def save(self, key, value, *, version="*", lease=None, expires_at=None):
        return self._store.save(key, value, expires_at=expires_at)

    def delete(self, key):
        self._store.delete(key)


def stored(store):
    """The one record in a store."""
    (key,) = store.keys()
    return Record.from_text(store.load(key).value)


def me(client, sandbox):
    return client.get(f"{sandbox.meloming_url}/v1/me")


def expire(sandbox, clock, seconds=3601.0):
    """Let time pass, for the client and for the server."""
    clock.advance(seconds)
    sandbox.advance(seconds)


def test_signed_in(sandbox, stack, auth, sign_in, store, events):
    """After a sign-in requests travel on behalf of the user, and the token is in the store."""
    token = sign_in(auth, "melo")
    assert stored(store).token.access_token == token.access_token
    assert stored(store).token.refresh_token
    with stack.client(auth) as client:
        answer = me(client, sandbox)
    assert answer.json()["username"] == "melo"
    assert kinds(events) == ["authorized"]


def test_before_authorization(sandbox, stack, auth):
    """A request before the user authorized sends nothing and says what to do."""
    with stack.client(auth) as client, never_sent(sandbox):
        with pytest.raises(AuthorizationRequired) as caught:
            me(client, sandbox)
        assert sandbox.meloming.api_requests == 0
    for word in ("'mina'", "authorization_request().url", "authorize()"):
        assert word in str(caught.value)


def test_authorized_later_in_another_process(sandbox, stack, make, sign_in, store):
    """A process that was refused for want of authorization finds it in the shared store as soon as it is there."""
    waiting = make(store=LeaselessStore(store))
    with pytest.raises(AuthorizationRequired):
        stack.token(waiting)
    token = sign_in(make())
    assert stack.token(waiting).access_token == token.access_token


def test_saved_before_returned(sandbox, stack, make, store):
    """The token is in the store before the caller has it."""
    order = []

    class Witness(MemoryStore):
        def save(self, key, value, **settings):
            version = super().save(key, value, **settings)
            order.append("saved")
            return version

    auth = make(store=Witness())
    request = auth.authorization_request()
    stack.method(auth, "authorize", sandbox.meloming.approve(request.url), request)
    order.append("returned")
    assert order == ["saved", "returned"]


def test_store_fails_at_sign_in(sandbox, stack, make, events, monkeypatch):
    """A token that can't be saved is an error, is revoked and is never used; later the user signs in anew."""
    monkeypatch.setattr("krauth._engine.user_flows.BACKOFF", 0.0)
    store = FailingStore()
    auth = make(store=store)
    store.fails = ("save",)
    request = auth.authorization_request()
    callback = sandbox.meloming.approve(request.url)
    with pytest.raises(TokenStoreError, match=r"could not be saved.*start again"):
        stack.method(auth, "authorize", callback, request)
    assert sandbox.meloming.token_requests == 1
    assert len(sent(sandbox, "/oauth/revoke")) == 2
    assert "authorized" not in kinds(events)
    store.fails = ()
    with pytest.raises(AuthorizationRequired):
        stack.token(auth)
    request = auth.authorization_request()
    stack.method(auth, "authorize", sandbox.meloming.approve(request.url), request)
    assert stored(store).token is not None


def test_store_recovers_at_sign_in(sandbox, stack, make, monkeypatch):
    """A store that fails for a moment costs the user nothing: saving is tried again, the code is not sent again."""
    monkeypatch.setattr("krauth._engine.user_flows.BACKOFF", 0.0)

    class Moody(FailingStore):
        def save(self, key, value, **settings):
            if self.fails:
                self.fails = self.fails[1:]
                raise StoreConflict("not now")
            return super().save(key, value, **settings)

    store = Moody()
    auth = make(store=store)
    store.fails = ("once", "twice")
    request = auth.authorization_request()
    token = stack.method(auth, "authorize", sandbox.meloming.approve(request.url), request)
    assert stored(store).token.access_token == token.access_token
    assert sandbox.meloming.token_requests == 1


def test_caller_leaves_meanwhile(sandbox, store):
    """A caller who is cancelled while the code is exchanged loses nothing: the token is saved and in use."""
    from stacks import BY_NAME

    stack = BY_NAME["httpx-asyncio"]
    auth = stack.MelomingOAuth(
        sandbox.meloming_client_id,
        sandbox.meloming_client_secret,
        user="mina",
        redirect_uri="https://app.example/callback",
        base_url=sandbox.meloming_url,
        store=store,
    )
    done = threading.Event()
    before = auth._tokens.replace

    class Watched(type(auth._tokens)):
        __slots__ = ()

        def replace(self, token):
            before(token)
            done.set()

    auth._tokens.__class__ = Watched
    sandbox.meloming.token_delay = 0.3
    request = auth.authorization_request()
    future = stack.portal.start_task_soon(auth.aauthorize, sandbox.meloming.approve(request.url), request)
    for _ in range(1000):
        if sandbox.meloming.token_requests:
            break
        done.wait(0.01)
    future.cancel()
    assert done.wait(10)
    with never_sent(sandbox):
        assert stack.token(auth).access_token == stored(store).token.access_token


def test_refresh_with_rotation(sandbox, stack, make, store, events):
    """A refresh spends the refresh token and saves its successor; the week begins anew with it."""
    with FakeClock() as clock:
        auth = make()
        first = _sign_in(sandbox, stack, auth)
        assert first.refresh_expires_at == pytest.approx(clock.time() + WEEK, abs=5)
        expire(sandbox, clock)
        second = stack.token(auth)
        assert second.refresh_token != first.refresh_token
        assert second.refresh_expires_at == pytest.approx(clock.time() + WEEK, abs=5)
        assert stored(store).token.refresh_token == second.refresh_token
        assert kinds(events) == ["authorized", "refreshed"]
        assert sent(sandbox)[-1]["refresh_token"] == first.refresh_token


def test_refresh_without_rotation(sandbox, stack, make, store):
    """Where the answer brings no refresh token the old one stays, and its week goes on."""
    sandbox.meloming.rotation = False
    with FakeClock() as clock:
        auth = make()
        first = _sign_in(sandbox, stack, auth)
        for _ in range(2):
            expire(sandbox, clock)
            again = stack.token(auth)
            assert again.refresh_token == first.refresh_token
            assert again.refresh_expires_at == first.refresh_expires_at
            assert again.access_token != first.access_token


@pytest.mark.parametrize("rotation", [True, False])
def test_refresh_lifetime_over(sandbox, stack, make, rotation):
    """A refresh token that is known to be dead is not sent: the user has to sign in, and is told why."""
    sandbox.meloming.rotation = rotation
    with FakeClock() as clock:
        auth = make()
        _sign_in(sandbox, stack, auth)
        expire(sandbox, clock, WEEK + 1)
        with never_sent(sandbox), pytest.raises(AuthorizationRequired, match="the refresh token has expired"):
            stack.token(auth)


@pytest.mark.parametrize("rotation", [True, False])
def test_a_user_lasts_for_weeks(sandbox, stack, make, rotation):
    """With rotation a user who comes once a day stays signed in; without it, for the documented week."""
    sandbox.meloming.rotation = rotation
    with FakeClock() as clock:
        auth = make()
        _sign_in(sandbox, stack, auth)
        days = 0
        try:
            for _ in range(10):
                expire(sandbox, clock, 86400.0)
                stack.token(auth)
                days += 1
        except AuthorizationRequired:
            pass
        assert days == (10 if rotation else 6)


def test_wrong_clock_costs_no_sign_in(sandbox, stack, make):
    """A machine whose clock is days behind the server's keeps its users for the whole week all the same."""
    with FakeClock() as clock:
        auth = make()
        sandbox.meloming.clock_offset = 2 * 86400.0
        _sign_in(sandbox, stack, auth)
        for seconds in (3601.0, 6 * 86400.0):
            expire(sandbox, clock, seconds)
            assert stack.token(auth).expires_in(clock.time()) > 0


def test_reuse_detection_is_never_set_off(sandbox, stack, make, store):
    """Many callers of several processes at the moment of expiry spend one refresh token, once."""
    with FakeClock() as clock:
        auths = [make()]
        _sign_in(sandbox, stack, auths[0])
        auths += [make(store=_Facade(store)) for _ in range(3)]
        expire(sandbox, clock)
        before = sandbox.meloming.token_requests
        threads = [threading.Thread(target=stack.token, args=(auth,)) for auth in auths for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sandbox.meloming.token_requests == before + 1
        expire(sandbox, clock)
        assert stack.token(auths[2]).access_token


class _Facade(MemoryStore):
    """The same entries and leases under another identity, as another process would have."""

    blocking = True

    def __init__(self, store):
        self.__dict__ = store.__dict__


def test_reuse_detected(sandbox, stack, make, store):
    """When the server saw a refresh token twice and revoked all, the user has to sign in, and nothing is hammered."""
    with FakeClock() as clock:
        auth = make()
        first = _sign_in(sandbox, stack, auth)
        expire(sandbox, clock)
        second = stack.token(auth)
        # A thief has the first one and uses it now.
        import urllib.error
        import urllib.parse
        import urllib.request

        stolen = {"grant_type": "refresh_token", "refresh_token": first.refresh_token}
        stolen |= {"client_id": sandbox.meloming_client_id, "client_secret": sandbox.meloming_client_secret}
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{sandbox.meloming_url}/oauth/token", urllib.parse.urlencode(stolen).encode())
        refused.value.close()
        before = sandbox.meloming.token_requests
        with stack.client(auth) as client:
            with pytest.raises(AuthorizationRequired, match="no longer accepts the refresh token"):
                me(client, sandbox)
            assert sandbox.meloming.token_requests == before + 1
            for _ in range(3):
                with pytest.raises(AuthorizationRequired):
                    me(client, sandbox)
        assert sandbox.meloming.token_requests == before + 1
        assert stored(store).token.refresh_token is None  # no process, and no restart, sends it again
        assert second.access_token


def test_sibling_refreshed_first(sandbox, stack, make, store, events):
    """`invalid_grant` is not believed before the store was asked: a sibling's newer token is taken over."""
    sandbox.meloming.reuse_detection = False
    with FakeClock() as clock:
        shared = LeaselessStore(store)  # no leases: both refresh at once
        sibling = make(store=LeaselessStore(store))
        _sign_in(sandbox, stack, sibling)
        transport = stack.TokenTransport().open()

        def late(request):
            theirs.append(stack.token(sibling).access_token)
            return transport(request)

        theirs = []
        auth = make(store=shared, token_transport=late)
        expire(sandbox, clock)
        assert stack.token(auth).access_token == theirs[0]
        assert [record.status for record in sandbox.meloming.requests if record.path == "/oauth/token"][-1] == 400
        assert "adopted" in kinds(events)


def test_restarted_after_the_refusal(sandbox, stack, make, store):
    """A process that starts after the refresh token was refused knows: it sends nothing, and asks for a sign-in."""
    with FakeClock() as clock:
        auth = make()
        _sign_in(sandbox, stack, auth)
        expire(sandbox, clock)
        sandbox.revoke_all()
        with pytest.raises(AuthorizationRequired):
            stack.token(auth)
        with never_sent(sandbox), pytest.raises(AuthorizationRequired):
            stack.token(make(store=_Facade(store)))


def test_authorized_anew(sandbox, stack, make, sign_in):
    """After AuthorizationRequired a new sign-in puts everything right at once, on the same object."""
    auth = make()
    sign_in(auth)
    sandbox.revoke_all()
    with stack.client(auth) as client:
        with pytest.raises(AuthorizationRequired):
            me(client, sandbox)
        sign_in(auth, "ming")
        assert me(client, sandbox).json()["username"] == "ming"


def test_narrowed_at_sign_in(sandbox, stack, make, sign_in, events):
    """A scope that was asked for and not granted is told: to the caller in the token, to the operator as an event."""
    auth = make(scope="songbook:read songbook:write")
    narrow = {"access_token": "a", "token_type": "Bearer", "expires_in": 3600, "scope": "songbook:read"}
    request = auth.authorization_request()
    callback = sandbox.meloming.approve(request.url)
    sandbox.meloming.fail_token(200, body=narrow)
    assert stack.method(auth, "authorize", callback, request).scope == "songbook:read"
    assert kinds(events) == ["authorized", "narrowed"]
    assert events[-1].detail == "not granted: songbook:write"


def test_narrowed_at_refresh(sandbox, stack, make, events):
    """A scope that was lost at a refresh is noticed as well."""
    with FakeClock() as clock:
        auth = make(scope="read write")
        _sign_in(sandbox, stack, auth)
        expire(sandbox, clock)
        narrow = {"access_token": "a", "token_type": "Bearer", "expires_in": 3600, "scope": "read"}
        sandbox.meloming.fail_token(200, body=narrow)
        assert stack.token(auth).scope == "read"
        assert kinds(events)[-1] == "narrowed"


def test_no_refresh_token(sandbox, stack, make, events):
    """A server that gives no refresh token is served too: at expiry the user has to sign in."""
    with FakeClock() as clock:
        auth = make()
        request = auth.authorization_request()
        callback = sandbox.meloming.approve(request.url)
        sandbox.meloming.fail_token(200, body={"access_token": "a", "token_type": "bearer", "expires_in": 60})
        stack.method(auth, "authorize", callback, request)
        assert stack.token(auth).access_token == "a"
        clock.advance(61)
        with pytest.raises(AuthorizationRequired, match="the token has expired"):
            stack.token(auth)


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        {},
        [],
        {"access_token": ""},
        {"access_token": "a", "token_type": "mac"},
        {"access_token": "a b", "token_type": "Bearer"},
    ],
    ids=repr,
)
def test_not_a_token(sandbox, stack, auth, body, store):
    """An answer to the code that is no token is an error that says so; nothing is saved."""
    request = auth.authorization_request()
    callback = sandbox.meloming.approve(request.url)
    sandbox.meloming.fail_token(200, body=body)
    with pytest.raises(InvalidTokenResponse, match="start again"):
        stack.method(auth, "authorize", callback, request)
    assert store.keys() == []


def test_public_client(sandbox, stack, make, sign_in):
    """A client without a secret signs users in and refreshes with its client_id alone."""
    with FakeClock() as clock:
        auth = stack.MelomingOAuth(
            sandbox.meloming_public_client_id,
            user="mina",
            redirect_uri="http://127.0.0.1:1/callback",
            base_url=sandbox.meloming_url,
            store=MemoryStore(),
        )
        sign_in(auth)
        expire(sandbox, clock)
        assert stack.token(auth).access_token
        assert all("client_secret" not in fields for fields in sent(sandbox))


def test_users_are_apart(sandbox, stack, make, sign_in):
    """Tokens of several users live side by side in one store."""
    auths = {name: make(name) for name in ("mina", "yuna", "a|b=c", "민아")}
    for name, auth in auths.items():
        sign_in(auth, name)
    for name, auth in auths.items():
        with stack.client(auth) as client:
            assert me(client, sandbox).json()["username"] == name


def test_made_before_without_redirect_uri(sandbox, stack, make, sign_in):
    """An auth object signs in with its own redirect_uri, also where one for the same user was made without."""
    caller = make(redirect_uri=None)
    with pytest.raises(ValueError, match="redirect_uri"):
        caller.authorization_request()
    token = sign_in(make(redirect_uri="https://app.example/callback"))
    assert stack.token(caller).access_token == token.access_token


@pytest.mark.parametrize("stack", WAYS[1:2], ids=str, indirect=True)
@pytest.mark.parametrize("name", ["authorize", "revoke", "introspect"])
def test_blocking_call_on_the_transports_loop(sandbox, stack, make, name):
    """A blocking call on the very event loop that would send the token request is refused at once, and says why."""

    async def main():
        async with stack.library.AsyncClient() as client:
            auth = make(token_transport=client)
            request = auth.authorization_request()
            arguments = (f"https://app.example/callback?code=x&state={request.state}", request)
            with pytest.raises(ValueError, match="blocking call on the event loop"):
                getattr(auth, name)(*(arguments if name == "authorize" else ()))

    stack.portal.call(main)


# Revocation and introspection.


def test_revoke(sandbox, stack, auth, sign_in, store, events):
    """A revoked token is dead at the server, in the store and in memory: refresh token first, then access token."""
    token = sign_in(auth)
    stack.method(auth, "revoke")
    assert [fields["token_type_hint"] for fields in sent(sandbox, "/oauth/revoke")] == ["refresh_token", "access_token"]
    assert sent(sandbox, "/oauth/revoke")[0]["token"] == token.refresh_token
    assert stored(store).token is None
    assert stored(store).revoked_at
    with never_sent(sandbox), pytest.raises(AuthorizationRequired, match="was revoked"):
        stack.token(auth)
    assert "revoked" in kinds(events)


def test_revoke_as_documented(sandbox, stack, auth, sign_in):
    """Meloming's revocation and introspection take JSON and no client credentials."""
    sign_in(auth)
    stack.method(auth, "introspect")
    stack.method(auth, "revoke")
    for record in sandbox.meloming.requests:
        if record.path in ("/oauth/revoke", "/oauth/introspect"):
            assert record.headers["Content-Type"] == "application/json"
            assert "Authorization" not in record.headers
            assert set(fields_of(record)) == {"token", "token_type_hint"}


def test_revoke_twice(sandbox, stack, auth, sign_in):
    """Revoking again does no harm, and neither does revoking a token that never was."""
    stack.method(auth, "revoke")
    sign_in(auth)
    stack.method(auth, "revoke")
    stack.method(auth, "revoke")


def test_sign_in_after_revoke(sandbox, stack, auth, sign_in):
    """After a revocation the user can sign in again."""
    sign_in(auth)
    stack.method(auth, "revoke")
    token = sign_in(auth)
    assert stack.token(auth).access_token == token.access_token


@pytest.mark.parametrize("fails_at", [1, 2])
def test_revocation_fails_halfway(sandbox, stack, make, store, fails_at):
    """A revocation that the server fails is an error, keeps the token in the store, and can be repeated."""
    transport = stack.TokenTransport().open()
    calls = []

    def failing(request):
        if request.url.endswith("/oauth/revoke"):
            calls.append(request)
            if len(calls) == fails_at:
                from krauth import HTTPResponse

                return HTTPResponse(503, {}, b"{}")
        return transport(request)

    auth = make(token_transport=failing)
    token = _sign_in(sandbox, stack, auth)
    with pytest.raises(TokenEndpointError, match=r"revocation refused: 503.*try again later"):
        stack.method(auth, "revoke")
    assert stored(store).token.refresh_token == token.refresh_token
    stack.method(auth, "revoke")
    assert stored(store).token is None
    assert [json.loads(request.body)["token"] for request in calls[-2:]] == [token.refresh_token, token.access_token]


def test_revocation_not_saved(sandbox, stack, make):
    """Where the server has revoked and the store fails, that is an error, and repeating it finishes the work."""
    store = FailingStore()
    auth = make(store=store)
    _sign_in(sandbox, stack, auth)
    store.fails = ("save",)
    with pytest.raises(TokenStoreError):
        stack.method(auth, "revoke")
    store.fails = ()
    stack.method(auth, "revoke")
    assert stored(store).token is None
    with pytest.raises(AuthorizationRequired):
        stack.token(auth)


def test_revoke_from_memory(sandbox, stack, make):
    """A token that is in memory only, since the store lost it, is revoked all the same."""
    store = MemoryStore()
    auth = make(store=store)
    token = _sign_in(sandbox, stack, auth)
    for key in store.keys():  # noqa: SIM118
        store.delete(key)
    stack.method(auth, "revoke")
    assert sent(sandbox, "/oauth/revoke")[0]["token"] == token.refresh_token


def test_revoked_in_another_process(sandbox, stack, make, store):
    """A process that holds the token in memory gives it up when the server refuses it, without a token request."""
    mine, theirs = make(), make(store=_Facade(store))
    _sign_in(sandbox, stack, mine)
    stack.token(theirs)
    stack.method(mine, "revoke")
    with stack.client(theirs) as client, never_sent(sandbox), pytest.raises(AuthorizationRequired, match="was revoked"):
        me(client, sandbox)


def test_revoked_elsewhere_is_learnt_at_refresh(sandbox, stack, make, store):
    """A process that holds the token in memory gives it up with its next refresh, though it would still be good."""
    with FakeClock() as clock:
        mine, theirs = make(), make(store=_Facade(store))
        _sign_in(sandbox, stack, mine)
        stack.token(theirs)
        stack.method(mine, "revoke")
        clock.advance(3500)  # stale: refreshed in the background
        stack.token(theirs)
        for _ in range(500):
            if theirs._tokens._run is None and theirs._tokens._memory.failures:
                break
            threading.Event().wait(0.01)
        with never_sent(sandbox), pytest.raises(AuthorizationRequired, match="was revoked"):
            stack.token(theirs)


def test_revoke_client_credentials(sandbox, stack, store):
    """A client's own token can be revoked too; the next call obtains another, in every process."""
    make = [
        stack.MelomingOAuth(
            sandbox.meloming_client_id, sandbox.meloming_client_secret, base_url=sandbox.meloming_url, store=one
        )
        for one in (store, _Facade(store))
    ]
    first = stack.token(make[0])
    assert stack.token(make[1]).access_token == first.access_token
    stack.method(make[0], "revoke")
    second = stack.token(make[0])
    assert second.access_token != first.access_token
    with stack.client(make[1]) as client:
        assert me(client, sandbox).status == 200
    assert stack.token(make[1]).access_token == second.access_token


@pytest.mark.parametrize("stack", WAYS[:1], ids=str, indirect=True)
def test_revoke_waits_for_a_refresh(sandbox, stack, make, store):
    """A refresh in another process is waited for: the token that it brings is the one that is revoked."""
    with FakeClock() as clock:
        mine, theirs = make(), make(store=_Facade(store))
        _sign_in(sandbox, stack, mine)
        expire(sandbox, clock)
        sandbox.meloming.token_delay = 0.3
        refresh = threading.Thread(target=stack.token, args=(theirs,))
        before = sandbox.meloming.token_requests
        refresh.start()
        while sandbox.meloming.token_requests == before and refresh.is_alive():
            threading.Event().wait(0.01)
        stack.method(mine, "revoke")
        refresh.join(10)
        spent = sent(sandbox)[1]["refresh_token"]
        assert sent(sandbox, "/oauth/revoke")[0]["token"] not in (spent, None)
        assert stored(store).token is None
        with stack.client(theirs) as client, pytest.raises(AuthorizationRequired):
            me(client, sandbox)


def test_introspect(sandbox, stack, make, sign_in):
    """The server's word on the current token, every field of it."""
    auth = make(scope="read")
    token = sign_in(auth, "melo")
    info = stack.method(auth, "introspect")
    assert (info.active, info.scope, info.username, info.sub) == (True, "read", "melo", "melo")
    assert info.client_id == sandbox.meloming_client_id
    assert info.exp == pytest.approx(token.expires_at, abs=5)
    assert "claims" not in repr(info)
    sandbox.revoke_all()
    assert stack.method(auth, "introspect").active is False


@pytest.mark.parametrize("answer", ["", "[]", {}, {"active": "true"}, {"active": 1}, "<html>"], ids=repr)
def test_introspection_without_an_answer(sandbox, stack, auth, sign_in, answer):
    """An answer that does not say whether the token is active is an error, not a guess."""
    from krauth import HTTPResponse
    from krauth._oauth.endpoints import process_introspection_response

    body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
    with pytest.raises(InvalidTokenResponse, match="did not say"):
        process_introspection_response(auth._client, HTTPResponse(200, {}, body), 0.0)


def test_introspection_fields_are_optional(auth):
    """Fields that are missing or of the wrong kind are None, and everything is in `claims`."""
    from krauth import HTTPResponse
    from krauth._oauth.endpoints import process_introspection_response

    body = b'{"active": true, "scope": ["a"], "exp": "soon", "username": null, "extra": 1}'
    info = process_introspection_response(auth._client, HTTPResponse(201, {}, body), 0.0)  # any 2xx, as for tokens
    assert (info.active, info.scope, info.exp, info.username, info.sub) == (True, None, None, None, None)
    assert info.claims["extra"] == 1


def test_introspection_fails(sandbox, stack, make, sign_in):
    """An introspection that can't be had is a typed error."""
    transport = stack.TokenTransport().open()

    def failing(request):
        if request.url.endswith("introspect"):
            raise OSError("cut")
        return transport(request)

    auth = make(token_transport=failing)
    sign_in(auth)
    with pytest.raises(TokenTransportError):
        stack.method(auth, "introspect")


@pytest.mark.parametrize("stack", WAYS[:1], ids=str, indirect=True)
def test_patience(sandbox, stack, make):
    """A server that never answers a revocation costs the caller the policy's seconds, and is reported."""
    auth = make(refresh=RefreshPolicy(timeout=0.3, attempt_timeout=0.2))
    _sign_in(sandbox, stack, auth)
    stuck = threading.Event()
    transport = stack.TokenTransport().open()

    def hanging(request):
        if request.url.endswith("revoke"):
            stuck.wait(5)
        return transport(request)

    auth = make(refresh=RefreshPolicy(timeout=0.1, attempt_timeout=0.1), token_transport=hanging)
    with pytest.raises(TokenTransportError):
        stack.method(auth, "revoke")
    stuck.set()


def _sign_in(sandbox, stack, auth, username="melo"):
    request = auth.authorization_request()
    return stack.method(auth, "authorize", sandbox.meloming.approve(request.url, username), request)


def test_version_of_the_api(sandbox, stack, make, sign_in):
    """`version=` is sent as Meloming-Version on API, token, revocation and introspection requests alike."""
    auth = make(version="2026-01-11")
    sign_in(auth)
    stack.method(auth, "introspect")
    with stack.client(auth) as client:
        client.get(f"{sandbox.meloming_url}/v1/channels")
    stack.method(auth, "revoke")
    stack.token(make(user=None, version="2026-01-11"))
    # A revocation of another test may still arrive here, so that the paths are counted, not the requests.
    told = [record.path for record in sandbox.meloming.requests if "Meloming-Version" in record.headers]
    assert sorted(set(told)) == ["/oauth/introspect", "/oauth/revoke", "/oauth/token", "/v1/channels"]
    assert told.count("/oauth/token") == 2
    stack.token(make(user=None, store=MemoryStore()))
    assert "Meloming-Version" not in sandbox.meloming.requests[-1].headers


def test_an_api_key_with_a_version(sandbox, stack):
    """An API key's requests carry the version too."""
    auth = stack.MelomingAPIKey(sandbox.meloming_api_key, base_url=sandbox.meloming_url, version="2026-01-11")
    with stack.client(auth) as client:
        client.get(f"{sandbox.meloming_url}/v1/channels")
    (record,) = sandbox.meloming.requests
    assert record.headers["Meloming-Version"] == "2026-01-11"


def test_a_version_signs_no_user_out(make):
    """A user's token stays where it is when the version is changed."""
    assert make(version="2026-01-11")._client.key == make()._client.key
