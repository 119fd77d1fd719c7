"""Who is signed in, and in which account: Django knows it, and Scoria gets it from here."""

from django.core.exceptions import PermissionDenied

from refunds.models import Membership
from refunds.scoria import scoria


def member_of(request):
    """Return the membership that was signed in with, as it is now; None for anybody else."""
    if not request.user.is_authenticated:
        return None
    account = request.session.get("account")  # the login of the admin asks for none
    return Membership.objects.filter(user=request.user, account=account).first()


def signed_in(request):
    """Return the runs of the account, those of others do not exist for it; and the identity."""
    member = member_of(request)
    if member is None:
        raise PermissionDenied("Sign in with an account of which you are a member.")
    # The name, because evidence is read by people: pass `request.user` for its primary key.
    identity = scoria().identity(
        actor_id=request.user.get_username(),
        tenant_id=member.account_id,
        session_id=request.session["conversation"],
    )
    return member, scoria().for_tenant(identity.tenant_id), identity
