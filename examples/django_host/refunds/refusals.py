"""The answers of the host if Scoria refuses something."""

from django.shortcuts import render

from scoria_core import ScoriaError
from scoria_core.errors import RunNotFound, StoreUnavailable
from scoria_core.visible import visible_line


class Refusals:
    """Middleware that shows a refusal in its own words: what was wrong, and what to do."""

    def __init__(self, get_response):
        """Keep the next layer, which leads to the views."""
        self.get_response = get_response

    def __call__(self, request):
        """Pass every request on."""
        return self.get_response(request)

    def process_exception(self, request, error):
        """Answer for a view that was refused."""
        if not isinstance(error, ScoriaError):
            return None
        status = 404 if isinstance(error, RunNotFound) else 409
        said = visible_line(str(error))
        if isinstance(error, StoreUnavailable):
            status, said = 503, "Try again in a moment."
        return render(request, "refunds/refused.html", {"said": said}, status=status)
