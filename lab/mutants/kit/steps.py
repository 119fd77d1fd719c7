"""Wrong on purpose: what the kit does with steps."""

from lab.mutants.kit import catalogue

breaks = catalogue()

breaks.add(
    "start does not carry out its step",
    "STEP-3",
    "before start returns",
    [("scoria:Scoria._start", "run = self._carried_out(execution, run, step, resolved)", "pass")],
)
breaks.add(
    "a step without a handler is taken for done",
    "STEP-4",
    "stays queued",
    [
        ("decisions:claim_next", "if step is None or step.kind not in kinds:", "if step is None:"),
        (
            "execution:Execution._outcome",
            "self.handlers[step.kind]",
            "self.handlers.get(step.kind, lambda *_: None)",
        ),
    ],
)
breaks.add(
    "the handler is entered before the claim is stored",
    "STEP-5",
    "on record before the handler is entered",
    [
        (
            "scoria:Scoria._carry_on",
            "run, step = self._runs.change(",
            (
                "change = self._runs._change(self._runs.load(named), None)\n"
                "        if step := decide(change):\n"
                "            execution.handlers[step.kind](step, "
                "change.run.summary(self._runs.now()))\n"
                "        run, step = self._runs.change("
            ),
        )
    ],
)
breaks.add(
    "the outcome of a handler is not stored",
    "STEP-6",
    "on record when the call returns",
    [
        (
            "execution:Execution._record",
            "conclude = _conclusion(step, outcome)\n",
            (
                "conclude = _conclusion(step, outcome)\n"
                "    change = self.repository._change(self.repository.load(step.run_id), None)\n"
                "    return change.run, conclude(change), None\n"
            ),
        )
    ],
)
breaks.add(
    "a step begins while one waits",
    "STEP-7",
    "while one waits for a person",
    [
        (
            "decisions:claim_next",
            "if run.status != RunStatus.RUNNING or run.active_step() is not None:",
            "if run.status == RunStatus.FAILED:",
        )
    ],
)
breaks.add(
    "a step begins while one is at work",
    "STEP-7",
    "while one is at work",
    [("decisions:claim_next", " or run.active_step() is not None", "")],
)
breaks.add(
    "the step that was added last runs first",
    "STEP-8",
    "the order in which they were added",
    [
        (
            "decisions:claim_next",
            "next(run.queued_steps(), None)",
            "next(reversed(list(run.queued_steps())), None)",
        )
    ],
)
breaks.add(
    "a step overtakes one without a handler",
    "STEP-8",
    "does not overtake",
    [
        (
            "decisions:claim_next",
            "next(run.queued_steps(), None)",
            "next((each for each in run.queued_steps() if each.kind in kinds), None)",
        )
    ],
)
breaks.add(
    "a mapping is no answer",
    "STEP-9",
    "a mapping",
    [("validation:Validator.outcome", "case None | Mapping():", "case None:")],
)
breaks.add(
    "Failed completes the step",
    "STEP-9",
    "Failed",
    [
        (
            "decisions:conclude",
            '_fail_step(change, claimed.step_id, StepError("Failed", reason, details))',
            "_complete_step(change, claimed.step_id, None)",
        )
    ],
)
breaks.add(
    "any answer is kept as text",
    "STEP-10",
    "Any other answer fails the step",
    [
        (
            "validation:Validator.outcome",
            "raise InvalidPayload(",
            ("return Completed({'said': str(answer)})\n    raise InvalidPayload("),
        )
    ],
)
breaks.add(
    "an exception is kept without its type",
    "STEP-11",
    "LookupError",
    [
        (
            "handlers:error_of",
            "StepError(type(error).__name__[:MAX_NAME], message,",
            "StepError('Error', message,",
        )
    ],
)
breaks.add(
    "an exception is kept without its message",
    "STEP-11",
    "LookupError",
    [
        (
            "handlers:error_of",
            "StepError(type(error).__name__[:MAX_NAME], message,",
            "StepError(type(error).__name__[:MAX_NAME], '',",
        )
    ],
)
breaks.add(
    "the handlers of the facade come first",
    "STEP-12",
    "A handler is given per call or to the facade",
    [
        (
            "scoria:Scoria._handlers_for",
            "{**self._handlers, **resolve(handlers)}",
            "{**resolve(handlers), **self._handlers}",
        )
    ],
)
breaks.add(
    "the handlers of the facade are not used",
    "STEP-12",
    "to the facade",
    [
        (
            "scoria:Scoria._handlers_for",
            "{**self._handlers, **resolve(handlers)}",
            "resolve(handlers)",
        )
    ],
)
breaks.add(
    "a handler is looked up when it is called",
    "STEP-13",
    "no_such_module",
    [
        (
            "handlers:_resolved",
            "handler = _named(kind, handler)",
            "return lambda *_: _named(kind, handler)",
        )
    ],
)
breaks.add(
    "what cannot be called is taken for a handler",
    "STEP-13",
    "7",
    [("handlers:_resolved", "if not callable(handler):", "if False:")],
)
breaks.add(
    "a coroutine is not awaited",
    "STEP-14",
    "A handler that is a coroutine function is awaited",
    [
        (
            "handlers:call",
            "    is_async()\n",
            "    return answer.close()\n",
        )
    ],
)
breaks.add(
    "a late answer is recorded",
    "STEP-15",
    "not recorded",
    [("decisions:is_still_claimed", " and step.attempt == claimed.attempt", "")],
)
breaks.add(
    "an answer after the end breaks the call",
    "STEP-15",
    "cancelled",
    [
        (
            "decisions:is_still_claimed",
            "step.status == StepStatus.RUNNING and step.attempt == claimed.attempt",
            "True",
        )
    ],
)
breaks.add(
    "a step that was stopped stays running",
    "STEP-16",
    "goes back to the queue",
    [
        (
            "execution:Execution._release",
            "return decisions.release(change, step)",
            "return False",
        )
    ],
)
breaks.add(
    "a step that was stopped keeps its attempt",
    "STEP-16",
    "goes back to the queue",
    [
        (
            "run:_step_changes",
            'case "retry" | "release":',
            ('case "release":\n            return {}\n        case "retry":'),
        )
    ],
)
breaks.add(
    "a failed run takes another step",
    "STEP-17",
    "A run that failed or ended takes no other step",
    [
        (
            "decisions:add_step",
            "(RunStatus.RUNNING, RunStatus.WAITING_FOR_APPROVAL)",
            "(RunStatus.RUNNING, RunStatus.WAITING_FOR_APPROVAL, RunStatus.FAILED)",
        )
    ],
)
breaks.add(
    "a retry of what did not fail is taken for done",
    "STEP-2",
    "A step is not moved by a call out of place",
    [
        (
            "decisions:retry",
            "run = change.run",
            ("run = change.run\n    if run.status != RunStatus.FAILED:\n        return"),
        )
    ],
)
