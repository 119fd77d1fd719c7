"""The evidence page and the demo host, as a browser meets them."""
