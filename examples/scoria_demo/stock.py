"""A few turns for the demo, so that each list of its console has something to show."""

from scoria_demo.client import DemoHost


def stock(demo: DemoHost) -> None:
    """Have a user ask for a reply and for refunds: three wait, one fails, one is cancelled."""
    user = demo.sign_in(actor_id="user-1", tenant_id="account-1")
    user.start_turn("Where is my parcel?")
    user.ask_refund("A-18", 80)
    user.ask_refund("A-17", 1_250)  # needs two reviewers
    user.ask_refund("A-99", 35)  # fails: no such order
    user.cancel(user.ask_refund("A-19", 12).run_id)
