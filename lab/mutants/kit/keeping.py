"""Wrong on purpose: what the kit does with the runs that it keeps between calls."""

from lab.mutants.kit import catalogue

breaks = catalogue()

breaks.add(
    "a run that is kept is not read again",
    "READ-1",
    "as another host left it",
    [
        (
            "repository:RunRepository.load",
            "is_name = ",
            (
                "run = self.cache.check_out(run_id)\n"
                "    if run is not None and self.tenant_id in (None, run.tenant_id):\n"
                "        return run\n"
                "    is_name = "
            ),
        )
    ],
)
breaks.add(
    "a refusal is that of a run as it was",
    "RUN-11",
    "A run that failed in another host",
    [
        (
            "repository:RunRepository._change_cached",
            "except ScoriaError:\n        return None",
            "except ZeroDivisionError:\n        return None",
        )
    ],
)
breaks.add(
    "there is nothing to do in a run as it was",
    "STEP-4",
    "A step that another host queued",
    [("repository:RunRepository._change_cached", " if change.records else None", "")],
)
breaks.add(
    "a run that is kept is given to every tenant",
    "TENANT-1",
    "Another tenant's run",
    [
        (
            "repository:RunRepository._change_cached",
            " or self.tenant_id not in (None, cached.tenant_id)",
            "",
        )
    ],
)
breaks.add(
    "a journal that was read once is not checked again",
    "JOURNAL-3",
    "changed in",
    [("repository:RunRepository._replayed", " or not cached.is_prefix_of(records)", "")],
)
breaks.add(
    "the end of a journal is all that is compared",
    "JOURNAL-3",
    "changed in",
    [
        (
            "run:Run.is_prefix_of",
            "list(records[: len(self.records)]) == self.records",
            "records[len(self.records) - 1] == self.records[-1]",
        )
    ],
)
breaks.add(
    "a summary holds what is kept",
    "READ-4",
    "What was read is not what is stored",
    [("run:Run.summary", "copied(self.facts.metadata)", "self.facts.metadata")],
)
breaks.add(
    "a request is handed out as it is kept",
    "READ-4",
    "What was read is not what is stored",
    [("run:_handed_out", "evolve(approval, arguments=copied(approval.arguments))", "approval")],
)
breaks.add(
    "a run is kept though its detail was handed out",
    "READ-4",
    "What was read is not what is stored",
    [
        (
            "scoria:Scoria.get_run_detail",
            "return self._runs.load(checked_run_id(run_id)).detail(self._runs.now())",
            (
                "run = self._runs.load(checked_run_id(run_id))\n"
                "    self._runs.cache.put_back(run)\n"
                "    return run.detail(self._runs.now())"
            ),
        )
    ],
)
breaks.add(
    "a handler gets the input that is kept",
    "READ-4",
    "What a handler was given",
    [("run:Run.step_view", "input=copied(step.input)", "input=step.input")],
)
