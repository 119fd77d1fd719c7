"""Wrong kits, most of which lose, repeat or show something only when calls come together."""
