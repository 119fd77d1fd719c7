"""A listener that posts events as CloudEvents, signed as Standard Webhooks are."""

from scoria_notify.webhook import NotDelivered, Webhook, cloud_event

__all__ = ["NotDelivered", "Webhook", "cloud_event"]
