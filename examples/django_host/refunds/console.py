"""Scoria's console as a view: behind Django's sessions, its users and its connections."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from refunds.members import member_of
from refunds.scoria import scoria
from scoria_web import Scope, decision_app, evidence_app


def scope(environ):
    """Say who looks: the user that Django has signed in, in the account of the login."""
    request = environ["django.request"]
    member = member_of(request)
    if member is None:
        return None
    return Scope(
        member.account_id,
        request.user.get_username(),
        session=request.session["conversation"],
        may_decide=member.decides,
    )


PAGES = DispatcherMiddleware(
    NotFound(),
    {
        "/scoria": evidence_app(scoria, scope=scope, decisions="/decisions"),
        "/decisions": decision_app(
            scoria, scope=scope, secret=settings.SECRET_KEY, evidence="/scoria"
        ),
    },
)


@csrf_exempt  # its forms are signed over the person, the session and the request
@login_not_required  # its pages say by themselves that a visitor may not see them
def console(request, **named):
    """Answer with a page of the console."""
    page = Response.from_app(PAGES, {**request.environ, "django.request": request})
    return HttpResponse(page.get_data(), status=page.status_code, headers=dict(page.headers))
