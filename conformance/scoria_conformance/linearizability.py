"""Whether what callers at once were told fits one order of their calls.

A history is linearizable where its operations can be put one after another, each between its call
and its return, so that an object that serves one caller alone would have answered the same. The
search for that order is the one of Wing and Gong, with Lowe's memory of where it has been.
"""

import math
import time
from collections.abc import Callable, Hashable, Iterator, Sequence

import attrs

Sequential = Callable[[Hashable, Hashable], tuple[Hashable, Hashable]]
"""What one caller alone is told: from a state and what is asked, the next state and the answer."""


@attrs.frozen
class Operation:
    """One call: what was asked and answered, and when it was called and returned.

    One that had not returned when its history ended (`returned` is infinite) may or may not have
    happened, and its answer is unknown.
    """

    asked: Hashable
    answered: Hashable = None
    called: float = 0
    returned: float = math.inf

    def __str__(self) -> str:
        return f"{self.asked} -> {self.answered if self.has_returned else 'had not returned'}"

    @property
    def has_returned(self) -> bool:
        """Tell whether the caller got an answer."""
        return self.returned < math.inf


def performed(asked: Hashable, call: Callable[[], Hashable]) -> Operation:
    """Make a call, and return it as an operation; threads and processes share the clock."""
    called = time.monotonic_ns()
    answered = call()
    return Operation(asked, answered, called, time.monotonic_ns())


@attrs.frozen
class Explanation:
    """The longest order that explains the answers, and the operations that cannot follow it."""

    order: Sequence[Operation]
    unexplained: Sequence[Operation]

    @property
    def holds(self) -> bool:
        """Tell whether the order explains all that callers were told."""
        return not self.unexplained

    def __str__(self) -> str:
        """Tell the end of the order, and what cannot come next."""
        so_far = "\n  ".join(map(str, self.order[-5:]))
        stuck = "\n  ".join(map(str, self.unexplained))
        return f"after {len(self.order)} calls\n  {so_far}\nthere fits none of\n  {stuck}"


@attrs.frozen
class _Node:
    """Some of the operations in an order, `done` as the bits of their places in the history."""

    done: int
    state: Hashable
    last: Operation | None = None
    before: "_Node | None" = None

    def order(self) -> list[Operation]:
        found, node = [], self
        while node.last is not None and node.before is not None:
            found.append(node.last)
            node = node.before
        return found[::-1]


def explained(history: Sequence[Operation], start: Hashable, alone: Sequential) -> Explanation:
    """Return an order that `alone` answers as `history` says, or the longest that there is."""
    operations = sorted(history, key=lambda operation: operation.called)
    must = sum(1 << place for place, each in enumerate(operations) if each.has_returned)
    longest = _Node(0, start)
    waiting, seen = [longest], {(0, start)}
    while waiting:
        node = waiting.pop()
        longest = max(longest, node, key=lambda each: (each.done & must).bit_count())
        if node.done & must == must:
            return Explanation(node.order(), ())
        for reached in _steps(node, operations, alone):
            if (reached.done, reached.state) not in seen:
                seen.add((reached.done, reached.state))
                waiting.append(reached)
    stuck = (operations[place] for place in _candidates(longest.done, operations))
    return Explanation(longest.order(), [each for each in stuck if each.has_returned])


def _steps(node: _Node, operations: Sequence[Operation], alone: Sequential) -> Iterator[_Node]:
    """Yield the orders that are longer by one operation."""
    for place in _candidates(node.done, operations):
        operation = operations[place]
        state, answer = alone(node.state, operation.asked)
        if answer == operation.answered or not operation.has_returned:
            yield _Node(node.done | 1 << place, state, operation, node)


def _candidates(done: int, operations: Sequence[Operation]) -> Iterator[int]:
    """Yield the places of those that may come next: called before any other left has returned."""
    first_return = math.inf
    first_left = (~done & (done + 1)).bit_length() - 1
    for place in range(first_left, len(operations)):
        if operations[place].called > first_return:
            return
        if not done >> place & 1:
            first_return = min(first_return, operations[place].returned)
            yield place
