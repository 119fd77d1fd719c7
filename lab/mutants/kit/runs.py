"""Wrong on purpose: what the kit does with runs."""

from lab.mutants.kit import catalogue

breaks = catalogue()

breaks.add(
    "resume goes on with the newest run",
    "RUN-3",
    "the one that is named goes on",
    [
        (
            "scoria:Scoria.resume_run",
            "self._carry_on(run_id,",
            "self._carry_on(self.list_runs()[0].run_id if self.list_runs() else run_id,",
        )
    ],
)
breaks.add(
    "resume takes a session_id",
    "RUN-3",
    "A session_id given for a run_id",
    [
        (
            "repository:RunRepository.load",
            "is_name = ",
            (
                "found = self.store.list_runs(tenant_id=None, session_id=str(run_id), "
                "limit=1, before=None)\n"
                "    run_id = found[0] if found else run_id\n"
                "    is_name = "
            ),
        )
    ],
)
breaks.add(
    "a run that never was is begun where it is resumed",
    "RUN-3",
    "never was",
    [
        (
            "scoria:Scoria.resume_run",
            "return self._carry_on(run_id, decisions.resume, handlers, actor_id)",
            (
                "try:\n"
                "        return self._carry_on(run_id, decisions.resume, handlers, "
                "actor_id)\n"
                "    except RunNotFound:\n"
                "        return self.start_run(self.identity(actor_id='a', "
                "tenant_id='tenant-1', session_id='s'), root_role_id='executor')"
            ),
        )
    ],
)
breaks.add(
    "the way to a run is not named",
    "RUN-4",
    "list_runs_for_session",
    [("repository:RunRepository.load", "is_session=self._is_session(run_id)", "is_session=False")],
)
breaks.add(
    "the way to a run is shown to every tenant",
    "RUN-4",
    "not shown to another tenant",
    [("repository:RunRepository._is_session", "tenant_id=self.tenant_id", "tenant_id=None")],
)
breaks.add(
    "resume starts another run",
    "RUN-5",
    "An approved run is resumed",
    [
        (
            "scoria:Scoria.resume_run",
            "return self._carry_on",
            (
                "self.start_run(self.get_run_detail(run_id).identity, "
                "root_role_id='executor')\n"
                "    return self._carry_on"
            ),
        )
    ],
)
breaks.add(
    "who acts last owns the run",
    "RUN-6",
    "operator-3",
    [
        (
            "run:Run.summary",
            "actor_id=identity.actor_id",
            (
                "actor_id=next((each.actor_id for each in reversed(self.journal) if "
                "each.actor_id), identity.actor_id)"
            ),
        )
    ],
)
breaks.add(
    "a session has one run",
    "RUN-7",
    "Turns of one session",
    [
        (
            "scoria:Scoria._start",
            "run, step = self._runs.create(run_id, facts, decide)",
            (
                "had = list(self._runs.listed(facts.identity.session_id, 1, None))\n"
                "        run, step = (had[0], None) if had else "
                "self._runs.create(run_id, facts, decide)\n"
                "        facts = run.facts"
            ),
        )
    ],
)
breaks.add(
    "a run never completes by itself",
    "RUN-8",
    "completes by itself",
    [
        (
            "decisions:_complete_step",
            'if run.facts.driven_by == "steps" and next(run.uncompleted_steps(), None) is None:',
            "if False:",
        )
    ],
)
breaks.add(
    "a run completes with any of its steps",
    "RUN-8",
    "completes by itself",
    [
        (
            "decisions:_complete_step",
            'if run.facts.driven_by == "steps" and next(run.uncompleted_steps(), None) is None:',
            "if change.run.status == RunStatus.RUNNING:",
        )
    ],
)
breaks.add(
    "a run without a step completes at once",
    "RUN-9",
    "A run without a step waits",
    [
        (
            "scoria:Scoria._start",
            "return execution.claim(change)",
            (
                "if not change.run.steps:\n"
                "            decisions.complete_run(change)\n"
                "        return execution.claim(change)"
            ),
        )
    ],
)
breaks.add(
    "a run with open work is completed",
    "RUN-10",
    "A run with open work",
    [("decisions:complete_run", "if open_steps:", "if False:")],
)
breaks.add(
    "a retried step keeps its attempt",
    "RUN-11",
    "next attempt",
    [("run:_step_changes", '"attempt": step.attempt + 1', '"attempt": step.attempt')],
)
breaks.add(
    "a failed step leaves its run running",
    "RUN-11",
    "'failed'",
    [("decisions:_fail_step", 'change.move("run", change.run.run_id, "fail")', "pass")],
)
breaks.add(
    "cancelling leaves the request open",
    "RUN-12",
    "withdrawn",
    [("decisions:cancel", 'change.move("approval", approval.approval_id, "withdraw")', "pass")],
)
breaks.add(
    "cancelling leaves the steps open",
    "RUN-13",
    "Nothing changes a run that has ended",
    [("decisions:cancel", "    _cancel_steps(change)\n", "")],
)
breaks.add(
    "a run that has ended takes steps",
    "RUN-13",
    "Nothing changes a run that has ended",
    [
        ("decisions:add_step", "if run.status not in", "if False and run.status not in"),
        ("run:Run._check", 'is_terminal("run", self.status) or ', ""),
    ],
)
breaks.add(
    "who loses a race to resume is told of versions",
    "RUN-14",
    "VersionConflict",
    [
        ("repository:RunRepository.change", "refused = version, error.actual", "raise"),
        (
            "repository:RunRepository._change_cached",
            "if change.only_if_due and error.actual == version:",
            "if True:",
        ),
    ],
)
breaks.add(
    "a refusal to resume says nothing of the way on",
    "RUN-15",
    "start a new run",
    [("decisions:_refuse_resume", "next_move=next_move)", "next_move='no')")],
)
breaks.add(
    "resume retries a failed run",
    "RUN-15",
    "retry_run",
    [
        (
            "decisions:resume",
            "step = run.active_step()",
            (
                "if run.status == RunStatus.FAILED:\n"
                "        return retry(change)\n"
                "    step = run.active_step()"
            ),
        )
    ],
)
breaks.add(
    "a repeated start runs again",
    "RUN-16",
    "The same idempotency key",
    [
        (
            "scoria:Scoria._start",
            "if run.run_id == run_id:\n            run = ",
            (
                "if run.run_id != run_id and step:\n"
                "            execution.handlers[step.kind](step, self._summary(run))\n"
                "        if run.run_id == run_id:\n            run = "
            ),
        )
    ],
)
breaks.add(
    "a key used for something else is taken for a repeat",
    "RUN-17",
    "not used again for something else",
    [
        (
            "scoria:Scoria._start",
            "elif run.facts.arguments_digest != facts.arguments_digest:",
            "elif False:",
        )
    ],
)
breaks.add(
    "a repeated key is not compared for who starts",
    "RUN-17",
    "not used again for something else",
    [
        (
            "scoria:_with_digest",
            '{**arguments, "facts": facts}',
            ('{**arguments, "facts": attrs.evolve(facts, identity=Identity("a", "b", "c"))}'),
        )
    ],
)
breaks.add(
    "a start that lost a race runs its handler too",
    "RUN-18",
    "Two starts at once",
    [
        (
            "scoria:Scoria._start",
            "if run.run_id == run_id:\n            run = ",
            (
                "if run.run_id != run_id and step:\n"
                "            execution.handlers[step.kind](step, self._summary(run))\n"
                "        if run.run_id == run_id:\n            run = "
            ),
        )
    ],
)
breaks.add(
    "a handler runs twice",
    "RUN-14",
    "the handler runs once",
    [
        (
            "execution:Execution._outcome",
            "answer = handlers.call(",
            (
                "handlers.call(self.handlers[step.kind], step, summary)\n"
                "            answer = handlers.call("
            ),
        )
    ],
)
