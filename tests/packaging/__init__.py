"""What an adopter installs, and what it brings along."""
