"""Bridges, each with its own library and a model that is made up; nothing goes over a network."""
