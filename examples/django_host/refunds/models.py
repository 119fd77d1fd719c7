"""The accounts, their members and the refunds: the host's own records of its business."""

from django.conf import settings
from django.db import models


class Account(models.Model):
    """A tenant: only its members see the runs that they start."""

    name = models.SlugField(primary_key=True)

    def __str__(self):
        """Return its name."""
        return self.name


class Membership(models.Model):
    """A user of an account, and whether this user decides on the refunds of others there."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    account = models.ForeignKey(Account, models.CASCADE)
    decides = models.BooleanField(default=False)

    class Meta:
        """A user is a member once."""

        constraints = [models.UniqueConstraint(fields=["user", "account"], name="member_once")]

    def __str__(self):
        """Return who, and where."""
        return f"{self.user} of {self.account}"


class Refund(models.Model):
    """A requested refund; its run records who decided, and this row when it was paid."""

    member = models.ForeignKey(Membership, models.PROTECT)
    key = models.UUIDField()
    order = models.CharField(max_length=40)
    cents = models.PositiveIntegerField()
    run_id = models.CharField(max_length=40, blank=True, db_index=True)
    asked_at = models.DateTimeField(auto_now_add=True)
    paid_at = models.DateTimeField(null=True)

    class Meta:
        """A form that is sent again adds no second refund."""

        constraints = [models.UniqueConstraint(fields=["member", "key"], name="asked_once")]

    def __str__(self):
        """Return what and how much."""
        return f"{self.cents / 100:.2f} for {self.order}"
