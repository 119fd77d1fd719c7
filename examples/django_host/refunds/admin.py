"""The admin: each refund leads to the evidence of its run."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from refunds.models import Account, Membership, Refund

admin.site.register([Account, Membership])


@admin.register(Refund)
class RefundAdmin(admin.ModelAdmin):
    """Shows refunds, and changes none: they are decided in the console."""

    list_display = ["order", "cents", "member", "asked_at", "paid_at", "evidence"]

    def evidence(self, refund):
        """Lead to what happened, and who decided."""
        if not refund.run_id:
            return "-"
        return format_html('<a href="{}">Evidence</a>', reverse("evidence", args=[refund.run_id]))

    def has_add_permission(self, request):
        """Tell that nobody adds one here."""
        return False

    def has_change_permission(self, request, obj=None):
        """Tell that nobody changes one here."""
        return False
