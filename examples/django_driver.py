"""Drives the Django host for `scoria verify`: as the others, but its users are in Django."""

import os

import django

from host_driver import Driver as AnyHost

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "host.settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402 - models exist once Django is set up
from refunds.models import Account, Membership  # noqa: E402

PASSWORD = "as long as the test lasts"  # noqa: S105 - of users of a test


class Driver(AnyHost):
    """A driver for tests only: it adds each user who signs in to the database of the host."""

    def sign_in(self, *, actor_id, tenant_id, reviewer=False):
        """Make the user and the membership, and fill in the form of the login."""
        user, _ = User.objects.get_or_create(username=actor_id)
        if not user.check_password(PASSWORD):
            user.set_password(PASSWORD)
            user.save()
        account, _ = Account.objects.get_or_create(name=tenant_id)
        Membership.objects.update_or_create(
            user=user, account=account, defaults={"decides": reviewer}
        )
        session = self.visit()
        session.send("/login", "/login", username=actor_id, account=tenant_id, password=PASSWORD)
        return session
