"""The addresses of the host."""

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import path, re_path
from refunds import views
from refunds.console import console

urlpatterns = [
    path("admin/", admin.site.urls),
    path("login", login_not_required(views.Login.as_view()), name="login"),
    path("", views.home, name="home"),
    path("refunds", views.ask_refund, name="ask_refund"),
    path("drafts", views.send_draft, name="send_draft"),
    path("runs/<run_id>/carry-on", views.carry_on, name="carry_on"),
    # The console; those with a name are what `reverse` and `{% url %}` lead to.
    path("scoria/", console, name="console"),
    path("scoria/workflows/<run_id>", console, name="evidence"),
    re_path("^(?:scoria|decisions)/", console),
]
