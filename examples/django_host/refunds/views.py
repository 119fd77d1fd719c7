"""The pages of the host: its login, its forms, and what leads to the console."""

from uuid import uuid4

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from refunds.members import signed_in
from refunds.models import Membership, Refund
from scoria_core import StepSpec


class LoginForm(AuthenticationForm):
    """Django's own form, with the account to sign in to."""

    account = forms.SlugField()

    def clean(self):
        """Refuse an account of which the user is no member."""
        cleaned = super().clean()
        named = {"user": self.get_user(), "account": cleaned.get("account")}
        if not Membership.objects.filter(**named).exists():
            raise forms.ValidationError("You are no member of this account.")
        return cleaned


class Login(LoginView):
    """Signs in, and begins a conversation."""

    form_class = LoginForm
    template_name = "refunds/login.html"

    def form_valid(self, form):
        """Keep the account, and which conversation this is: new with each login."""
        self.request.session.flush()
        answer = super().form_valid(form)
        self.request.session["account"] = form.cleaned_data["account"]
        self.request.session["conversation"] = str(uuid4())
        return answer


class RefundForm(forms.Form):
    """The refund to request; `key` stays the same if the form is sent again."""

    order = forms.CharField(max_length=40, initial="A-17")
    amount = forms.DecimalField(min_value=0.01, max_digits=8, decimal_places=2, initial="12.50")
    key = forms.UUIDField(widget=forms.HiddenInput)


class DraftForm(forms.Form):
    """A text that a critic may have to read."""

    draft = forms.CharField(
        max_length=2_000, initial="Our policy allows returns within 30 days", strip=False
    )


def home(request):
    """Show the forms, and the runs that were started since the login."""
    return page(request, RefundForm(initial={"key": uuid4()}), DraftForm())


def page(request, refund, draft, status=200):
    """Return the page of the forms, with what is wrong in them."""
    member, runs, identity = signed_in(request)
    shown = {
        "member": member,
        "refund": refund,
        "draft": draft,
        "turns": runs.list_runs_for_session(identity.session_id),
        "last": request.session.get("last_run_id"),
    }
    return render(request, "refunds/home.html", shown, status=status)


@require_POST
def ask_refund(request):
    """Keep what is asked for, and start its run: each once, however often the form is sent."""
    form = RefundForm(request.POST)
    if not form.is_valid():
        return page(request, form, DraftForm(), 422)
    member, runs, identity = signed_in(request)
    asked = {"order": form.cleaned_data["order"], "cents": int(form.cleaned_data["amount"] * 100)}
    refund, _ = Refund.objects.get_or_create(
        member=member, key=form.cleaned_data["key"], defaults=asked
    )
    run = runs.start_run(
        identity,
        root_role_id="agent",
        initial_step=StepSpec("refund-in-cents", "agent", input=asked),
        idempotency_key=f"refund-{refund.pk}",
    )
    Refund.objects.filter(pk=refund.pk).update(run_id=run.run_id)
    return kept(request, run)


@require_POST
def send_draft(request):
    """Start a run for a draft; if it mentions policy, start another in which a critic reads it."""
    form = DraftForm(request.POST)
    if not form.is_valid():
        return page(request, RefundForm(initial={"key": uuid4()}), form, 422)
    text, (_, runs, who) = form.cleaned_data["draft"], signed_in(request)
    run = runs.start_run(
        who, root_role_id="agent", initial_step=StepSpec("draft", "agent", input={"text": text})
    )
    if "policy" in text:
        run = runs.start_handoff_run(
            who,
            "critic",
            root_role_id="planner",
            delegated_kind="review",
            handoff_input={"brief": "Review the draft for policy"},
            projected_context={"task": "policy review", "draft_answer": text},
        )
    return kept(request, run)


@require_POST
def carry_on(request, run_id):
    """Do now what a decision has queued, for who does not wait for the worker."""
    _, runs, _ = signed_in(request)
    if not runs.run_pending(run_id):
        runs.resume_run(run_id)  # nothing was queued: start it, or say for what it waits
    return redirect("evidence", run_id)


def kept(request, run):
    """Keep the id of the latest run, and redirect to its evidence."""
    request.session["last_run_id"] = run.run_id
    return redirect("evidence", run.run_id)
