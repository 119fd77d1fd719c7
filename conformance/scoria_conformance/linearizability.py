"""Tells whether the answers to concurrent callers fit one order of their calls.

A history is linearizable if its operations can be put in one order, each between its call and its
return, in which an object that serves one caller at a time would give the same answers. The order
is searched for with the algorithm of Wing and Gong, and with Lowe's cache of the configurations
that were visited.
"""

import math
import time
from collections.abc import Callable, Hashable, Iterator, Sequence

import attrs

Sequential = Callable[[Hashable, Hashable], tuple[Hashable, Hashable]]
"""The sequential object: from a state and a call, it returns the next state and the answer."""


@attrs.frozen
class Operation:
    """One call: what was asked and answered, and when it was called and returned.

    A call that had not returned when its history ended (`returned` is infinite) may or may not have
    taken effect, and its answer is unknown.
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
        """Tell whether the order explains all answers."""
        return not self.unexplained

    def __str__(self) -> str:
        """Return the end of the order, and the operations that do not fit next."""
        so_far = "\n  ".join(map(str, self.order[-5:]))
        stuck = "\n  ".join(map(str, self.unexplained))
        return f"after {len(self.order)} calls\n  {so_far}\nthere fits none of\n  {stuck}"


@attrs.frozen
class _Node:
    """A prefix of an order; `done` has a bit for the place of each operation in the history."""

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
    """Return an order in which `alone` gives the same answers, or the longest such prefix."""
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
            # The same operations in another order may lead to the same state: search from it only
            # once.
            if (reached.done, reached.state) not in seen:
                seen.add((reached.done, reached.state))
                waiting.append(reached)
    stuck = (operations[place] for place in _candidates(longest.done, operations))
    return Explanation(longest.order(), [each for each in stuck if each.has_returned])


def _steps(node: _Node, operations: Sequence[Operation], alone: Sequential) -> Iterator[_Node]:
    """Yield the prefixes that are longer by one operation."""
    for place in _candidates(node.done, operations):
        operation = operations[place]
        state, answer = alone(node.state, operation.asked)
        if answer == operation.answered or not operation.has_returned:
            yield _Node(node.done | 1 << place, state, operation, node)


def _candidates(done: int, operations: Sequence[Operation]) -> Iterator[int]:
    """Yield the places of operations that may come next.

    Such an operation was called before any other that is left had returned.
    """
    first_return = math.inf
    # The lowest bit that is not set: the first operation that is not yet in the order.
    first_left = (~done & (done + 1)).bit_length() - 1
    for place in range(first_left, len(operations)):
        if operations[place].called > first_return:
            return
        if not done >> place & 1:
            first_return = min(first_return, operations[place].returned)
            yield place
