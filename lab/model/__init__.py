"""The four lifecycles composed, explored exhaustively, and held to the invariants."""
