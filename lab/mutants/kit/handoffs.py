"""Wrong on purpose: what the kit does with handoffs."""

from lab.mutants.kit import catalogue

breaks = catalogue()

breaks.add(
    "a child does not name its parent",
    "HANDOFF-3",
    "A handoff is recorded",
    [
        (
            "decisions:_hand_off",
            ("        parent_step_id=parent.step_id,\n        projected"),
            "        projected",
        )
    ],
)
breaks.add(
    "the root step of a handoff stays open",
    "HANDOFF-3",
    "'completed'",
    [("decisions:_hand_off", "_complete_step(change, parent.step_id, None)", "pass")],
)
breaks.add(
    "a role that is missing is filled in",
    "HANDOFF-4",
    "Nothing of a handoff is filled in",
    [("validation:handoff_name", "raise InvalidHandoff(name, _MISSING)", 'return "planner"')],
)
breaks.add(
    "a context that is missing is empty",
    "HANDOFF-4",
    "projected_context",
    [
        (
            "validation:Validator._handoff_payload",
            "if value is None:",
            ("value = {} if value is None else value\n    if value is None:"),
        )
    ],
)
breaks.add(
    "an empty context is missing",
    "HANDOFF-5",
    "An empty context is a context",
    [("validation:Validator._handoff_payload", "if value is None:", "if not value:")],
)
breaks.add(
    "the other name of the context is not known",
    "HANDOFF-6",
    "projected_context is missing",
    [("validation:checked_context", "scoped if projected is None else projected", "projected")],
)
breaks.add(
    "both names of the context are taken",
    "HANDOFF-6",
    "but not both",
    [
        (
            "validation:checked_context",
            "if projected is not None and scoped is not None:",
            "if False:",
        )
    ],
)
breaks.add(
    "a handoff ends before its child",
    "HANDOFF-7",
    "running",
    [
        (
            "decisions:_move_step",
            'change.move("handoff", handoff.handoff_id, _MIRRORED[trigger])',
            (
                'change.move("handoff", handoff.handoff_id, _MIRRORED[trigger])\n'
                '    if trigger == "claim":\n'
                '        change.move("handoff", handoff.handoff_id, "complete")'
            ),
        )
    ],
)
breaks.add(
    "the role that works on a step takes the run",
    "HANDOFF-8",
    "critic",
    [
        (
            "run:Run.summary",
            "root_role_id=self.facts.root_role_id",
            (
                "root_role_id=next((each.delegated_role_id for each in "
                "self.handoffs.values()), self.facts.root_role_id)"
            ),
        )
    ],
)
breaks.add(
    "a handler cannot hand off",
    "HANDOFF-9",
    "A handler may hand off",
    [("validation:Validator.outcome", "case HandOff():", "case HandOff() if answer is None:")],
)
breaks.add(
    "a child gets the input of its parent too",
    "HANDOFF-10",
    "The child",
    [
        (
            "decisions:_hand_off",
            "input=handoff.handoff_input",
            "input={**parent.input, **handoff.handoff_input}",
        )
    ],
)
breaks.add(
    "a child gets the metadata of the run",
    "HANDOFF-10",
    "The child",
    [
        (
            "decisions:_hand_off",
            "projected_context=handoff.projected_context",
            ("projected_context={**change.run.facts.metadata, **handoff.projected_context}"),
        )
    ],
)
breaks.add(
    "a child gets no context",
    "HANDOFF-10",
    "narrow slice",
    [
        (
            "decisions:_hand_off",
            "projected_context=handoff.projected_context",
            "projected_context={}",
        )
    ],
)
breaks.add(
    "handoffs come to an end one too early",
    "HANDOFF-11",
    "15 == 16",
    [("decisions:conclude", ">= MAX_HANDOFFS_DEEP", ">= MAX_HANDOFFS_DEEP - 1")],
)
breaks.add(
    "the tags of a handoff are dropped",
    "HANDOFF-12",
    "policy",
    [("validation:Validator.handoff", "_tags(capability_tags)", "()")],
)
breaks.add(
    "a handoff shows the first status of its child",
    "HANDOFF-12",
    "queued",
    [
        (
            "run:Run.detail",
            "child_status=self.steps[handoff.child_step_id].status",
            "child_status=StepStatus.QUEUED",
        )
    ],
)
breaks.add(
    "only the outermost keys are looked at",
    "HANDOFF-13",
    "task",
    [("projection:ContextPolicy.check", "self._check_value(value, here)", "pass")],
)
breaks.add(
    "another spelling of a secret is projected",
    "HANDOFF-13",
    "Broad runtime state and secrets are not projected",
    [("projection:ContextPolicy.check", "self._refuses(snake_case(key))", "self._refuses(key)")],
)
breaks.add(
    "the names that a host adds are not used",
    "HANDOFF-14",
    "ledger",
    [("projection:ContextPolicy.__init__", "UNSAFE_NAMES.union(added)", "UNSAFE_NAMES")],
)
breaks.add(
    "the names that a host adds are all there are",
    "HANDOFF-14",
    "transcript",
    [
        (
            "projection:ContextPolicy.__init__",
            "_spellings(UNSAFE_NAMES.union(added))",
            "_spellings([*added] or UNSAFE_NAMES)",
        ),
        (
            "projection:ContextPolicy._refuses",
            "or name.endswith(self._endings)",
            ("or (name in UNSAFE_NAMES and name.endswith(self._endings) and len(self._names) > 9)"),
        ),
    ],
)
breaks.add(
    "a handler may hand anything off",
    "HANDOFF-15",
    "A handler's handoff is held to the rules",
    [
        (
            "validation:Validator.outcome",
            "return self.handoff(**attrs.asdict(answer, recurse=False))",
            "return answer",
        )
    ],
)
breaks.add(
    "cancelling again is taken for done",
    "HANDOFF-2",
    "A handoff is not moved by a call out of place",
    [
        (
            "decisions:cancel",
            "run = change.run",
            (
                "run = change.run\n"
                "    if run.status in (RunStatus.COMPLETED, RunStatus.CANCELLED):\n"
                "        return"
            ),
        )
    ],
)
