"""A Django app whose users sign in with Meloming; its requests then travel on their behalf, through requests.

    pip install 'krauth[requests]' django
    export MELOMING_CLIENT_ID=… MELOMING_CLIENT_SECRET='…' APP_SECRET_KEY="$(openssl rand -hex 32)"
    python app.py    # http://127.0.0.1:5000/callback has to be registered as redirect URI

Without an account: `krauth sandbox` prints the variables for a Meloming of your own, MELOMING_BASE_URL among them.
In a project the settings go to settings.py and the views to an app.
"""

import os
import secrets
from urllib.parse import urlsplit
from wsgiref.simple_server import make_server

import requests
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from krauth import AuthorizationError, AuthorizationRequired, TokenError
from krauth_requests import MelomingOAuth

APP_URL = os.environ.get("APP_URL", "http://127.0.0.1:5000")
API_URL = os.environ.get("MELOMING_BASE_URL", "https://openapi.meloming.com")
STORE = os.environ.get("KRAUTH_STORE", "sqlite:///tokens.db")  # every user's token; survives restarts

settings.configure(
    SECRET_KEY=os.environ["APP_SECRET_KEY"],
    ALLOWED_HOSTS=[urlsplit(APP_URL).hostname],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        # and CsrfViewMiddleware, whose token a form of a real template holds
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",  # your project's own engine does as well
    SESSION_COOKIE_SECURE=APP_URL.startswith("https:"),
)


def auth_for(user: str) -> MelomingOAuth:
    """Cheap: all objects that are made for a user share one token and one refresh, in every process with this store."""
    return MelomingOAuth.from_env(user=user, redirect_uri=f"{APP_URL}/callback", base_url=API_URL, store=STORE)


def home(request):
    if "user" not in request.session:
        return page('<form method="post" action="/login"><button id="login">Sign in with Meloming</button></form>')
    try:
        answer = requests.get(f"{API_URL}/v1/me", auth=auth_for(request.session["user"]), timeout=10)
    except AuthorizationRequired:  # revoked, or not used for a week
        request.session.flush()
        return HttpResponseRedirect("/", status=303)
    answer.raise_for_status()
    form = '<form method="post" action="/logout"><button id="logout">Sign out</button></form>'
    return page(format_html("<p>Hello, <b id='name'>{}</b></p>", answer.json()["username"]) + form)


@require_POST
def login(request):
    user = secrets.token_urlsafe(16)  # or str(request.user.pk)
    pending = auth_for(user).authorization_request()
    request.session["pending"] = {"user": user, "request": pending.to_dict()}
    return HttpResponseRedirect(pending.url, status=303)


def callback(request):
    kept = request.session.pop("pending", None) or {}  # once: a second callback finds nothing
    try:
        auth_for(kept.get("user") or "-").authorize(request.build_absolute_uri(), kept.get("request"))
    except (AuthorizationError, TokenError) as error:
        return page(format_html("<p id='error'>{}</p><a href='/'>Back</a>", str(error)), 400)
    request.session["user"] = kept["user"]
    return HttpResponseRedirect("/", status=303)


@require_POST
def logout(request):
    if user := request.session.get("user"):
        auth_for(user).revoke()
    request.session.flush()
    return HttpResponseRedirect("/", status=303)


def page(body: str, status: int = 200) -> HttpResponse:
    head = "<!doctype html><html lang='en'><meta charset='utf-8'><title>krauth and Django</title>"
    return HttpResponse(f"{head}{body}</html>", status=status)


urlpatterns = [path("", home), path("login", login), path("callback", callback), path("logout", logout)]
application = get_wsgi_application()

if __name__ == "__main__":
    with make_server("127.0.0.1", urlsplit(APP_URL).port or 5000, application) as server:
        server.serve_forever()
