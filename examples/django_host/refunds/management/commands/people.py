"""`manage.py people`: makes a user who asks and a user who decides, to try the host with."""

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand
from django.utils.crypto import get_random_string

from refunds.models import Account, Membership


class Command(BaseCommand):
    """Makes ada and cleo, members of acme, with a new password."""

    help = "Make ada, who asks, and cleo, who decides and sees the admin; print their password."

    def handle(self, **options):
        """Make both, or give both another password."""
        password = get_random_string(12)
        account, _ = Account.objects.get_or_create(name="acme")
        for name, decides in {"ada": False, "cleo": True}.items():
            user, _ = User.objects.get_or_create(username=name)
            user.is_staff = user.is_superuser = decides
            user.set_password(password)
            user.save()
            Membership.objects.update_or_create(
                user=user, account=account, defaults={"decides": decides}
            )
        self.stdout.write(f"ada asks and cleo decides; the password of both: {password}")
