"""Wrong on purpose: what the kit reads, refuses and keeps."""

from lab.mutants.kit import catalogue
from scoria_core import history

breaks = catalogue()

breaks.add(
    "the journal skips a number",
    "JOURNAL-1",
    "The journal tells every change in order: assert [1, 2, 3, 4, 5, 7",
    [
        (
            "decisions:Change._add",
            "sequence=self.run.version + 1,",
            "sequence=self.run.version + 1 + (self.run.version > 4),",
        ),
        ("run:Run._check", "if entry.sequence != self.version + 1:", "if False:"),
        (
            "journal:unseal",
            "if type(record.sequence) is not int or record.sequence != number:",
            "if False:",
        ),
    ],
)
breaks.add(
    "an entry does not say where it starts",
    "JOURNAL-2",
    "None == 'queued'",
    [
        (
            "decisions:Change._add",
            "from_state=None if from_state is None else str(from_state)",
            "from_state=None",
        ),
        (
            "run:Run._check",
            "reached(entry.subject, entry.from_state, entry.trigger)",
            "entry.to_state",
        ),
        ("run:Run._check", "if is_move and entry.from_state", "if False and entry.from_state"),
    ],
)
breaks.add(
    "digests are not checked",
    "JOURNAL-3",
    "is noticed there",
    [("journal:unseal", "if record.digest != _sha256(previous, record.body):", "if False:")],
)
breaks.add(
    "an entry may be missing",
    "JOURNAL-3",
    "entry 3 of run",
    [
        (
            "journal:unseal",
            "if type(record.sequence) is not int or record.sequence != number:",
            "if False:",
        ),
        ("journal:unseal", "_sha256(previous, record.body)", "_sha256(record.body)"),
        ("journal:seal", "_sha256(previous_digest, body)", "_sha256(body)"),
    ],
)
breaks.add(
    "an entry does not say who made it",
    "JOURNAL-4",
    "reviewer-7",
    [
        ("decisions:Change._add", "actor_id=self.actor_id", "actor_id=None"),
        ("run:_approval_changes", '"decided_by": entry.actor_id', '"decided_by": "somebody"'),
    ],
)
breaks.add(
    "an entry has the time of the first",
    "JOURNAL-4",
    "An entry tells when",
    [
        (
            "decisions:Change._add",
            "at=self.at",
            "at=self.run.journal[0].at if self.run.journal else self.at",
        )
    ],
)
breaks.add(
    "the detail has no handoffs",
    "READ-1",
    "detail",
    [("run:Run.detail", "for handoff in self.handoffs.values()", "for handoff in ()")],
)
breaks.add(
    "a summary is as old as its run",
    "READ-1",
    "reads back as it stands",
    [
        (
            "run:Run.summary",
            "updated_at=self.journal[-1].at",
            "updated_at=self.journal[0].at.replace(year=2000)",
        )
    ],
)
breaks.add(
    "a session lists the oldest run first",
    "READ-2",
    "newest first",
    [
        (
            "repository:RunRepository.listed",
            "for run_id in run_ids:",
            "for run_id in reversed(run_ids):",
        )
    ],
)
breaks.add(
    "a session lists every run",
    "READ-2",
    "Turns of one session",
    [("repository:RunRepository.listed", "session_id=session_id", "session_id=None")],
)
breaks.add(
    "every page is the first",
    "READ-3",
    "Pages of all runs",
    [("repository:RunRepository.listed", "before=before", "before=None")],
)
breaks.add(
    "a damaged run ends every list",
    "READ-20",
    "A damaged run hides no other",
    [("repository:RunRepository._listed_run", "if error.run_id != run_id:", "if True:")],
)
breaks.add(
    "a damaged run makes a page shorter",
    "READ-20",
    "A damaged run hides no other",
    [("repository:RunRepository.listed", "if len(run_ids) < limit or", "if True or")],
)
breaks.add(
    "a damaged run is shown by no list",
    "READ-21",
    "A damaged run is shown in its place",
    [
        (
            "repository:RunRepository._listed_run",
            "return DamagedRun(run_id, error.sequence, error.problem)",
            "return None",
        )
    ],
)
breaks.add(
    "what was read is what is kept",
    "READ-4",
    "What was read is not what is stored",
    [
        (
            "journal:unseal",
            "_read(run_id, record)",
            "vars(unseal).setdefault(record.digest, _read(run_id, record))",
        )
    ],
)
breaks.add(
    "what was handed over is what is kept",
    "READ-4",
    "What was handed over is not what is stored",
    [
        ("payloads:checked_payload", "copier.copy(value, path, ())", "value"),
    ],
)
breaks.add(
    "times have no zone",
    "READ-5",
    "Times are in UTC",
    [
        (
            "run:Run.summary",
            "created_at=self.journal[0].at",
            "created_at=self.journal[0].at.replace(tzinfo=None)",
        )
    ],
)
breaks.add(
    "reading records that an approval expired",
    "READ-6",
    "append",
    [
        (
            "scoria:Scoria.get_run",
            "self._runs.load(checked_run_id(run_id))",
            "self._runs.change(checked_run_id(run_id), decisions._expire_overdue)[0]",
        )
    ],
)
breaks.add(
    "run ids are random",
    "READ-7",
    "{4} == {7}",
    [("system:Uuid7Source.new_id", "uuid_utils.uuid7()", "uuid_utils.uuid4()")],
)
breaks.add(
    "a number that is none is taken",
    "PAYLOAD-1",
    "not a number",
    [
        ("payloads:_plain_float", "if not math.isfinite(value):", "if False:"),
        ("payloads:compact", "_COMPACT.encode(value)", "json.dumps(value)"),
    ],
)
breaks.add(
    "keys are made text",
    "PAYLOAD-1",
    "a number as a key",
    [("payloads:_plain_key", "if not isinstance(key, str):", ("key = str(key)\n    if False:"))],
)
breaks.add(
    "bytes are made text",
    "PAYLOAD-1",
    "bytes",
    [
        (
            "payloads:_Copier.copy",
            "if value is None or",
            (
                "if isinstance(value, bytes):\n"
                "        return value.decode()\n"
                "    if value is None or"
            ),
        )
    ],
)
breaks.add(
    "a payload has no limit",
    "PAYLOAD-2",
    "262145",
    [("payloads:_check_size", "if size > max_bytes:", "if False:")],
)
breaks.add(
    "the limit of a payload is off by one",
    "PAYLOAD-2",
    "262144",
    [("payloads:_check_size", "size > max_bytes", "size >= max_bytes")],
)
breaks.add(
    "the limit of a host is not used",
    "PAYLOAD-2",
    "300000",
    [
        (
            "scoria:Scoria.__init__",
            "Validator(ContextPolicy(unsafe_context_names), max_bytes)",
            "Validator(ContextPolicy(unsafe_context_names))",
        )
    ],
)
breaks.add(
    "drops key order",
    "PAYLOAD-3",
    "the order or the kind of a value changed",
    [("payloads:compact", "_COMPACT.encode(value)", "_SORTED.encode(value)")],
)
breaks.add(
    "large numbers are floats",
    "PAYLOAD-3",
    "Payloads come back equal",
    [
        (
            "payloads:_plain_int",
            "return int(value)",
            "return int(value) if abs(value) < 2**53 else float(value)",
        ),
        ("payloads:_Copier.copy", "plain.bit_length() // 4", "int(plain).bit_length() // 4"),
    ],
)
breaks.add(
    "a step is checked after it was written",
    "PAYLOAD-4",
    "checked wherever it is handed over",
    [("validation:Validator.spec", 'self.payload(spec.input, f"{path}.input")', "spec.input")],
)
breaks.add(
    "tenants are not told apart",
    "TENANT-1",
    "Another tenant's run",
    [
        (
            "repository:RunRepository.load",
            "is_in_view = ",
            "is_in_view = True or ",
        )
    ],
)
breaks.add(
    "another tenant is told that a run is there",
    "TENANT-1",
    "Another tenant's run",
    [
        (
            "repository:RunRepository.load",
            "is_session=self._is_session(run_id)",
            "is_session=bool(records)",
        )
    ],
)
breaks.add(
    "listings are of all tenants",
    "TENANT-2",
    "Another tenant's listings",
    [
        ("repository:RunRepository.listed", "tenant_id=self.tenant_id", "tenant_id=None"),
        ("repository:RunRepository._listed_run", "if self.tenant_id is None", "if True"),
    ],
)
breaks.add(
    "another tenant runs what is queued",
    "TENANT-2",
    "Another tenant finds nothing to run",
    [
        ("repository:RunRepository.due", "tenant_id=self.tenant_id", "tenant_id=None"),
        (
            "repository:RunRepository.load",
            "is_in_view = ",
            "is_in_view = True or ",
        ),
    ],
)
breaks.add(
    "a view is turned to another tenant",
    "TENANT-3",
    "asked for a view",
    [("scoria:Scoria.for_tenant", "if self._runs.tenant_id not in (None, narrowed):", "if False:")],
)
breaks.add(
    "a view starts runs of another tenant",
    "TENANT-3",
    "asked to start a run",
    [
        (
            "scoria:Scoria._identity",
            "if self._runs.tenant_id not in (None, identity.tenant_id):",
            "if False:",
        )
    ],
)
breaks.add(
    "a refusal names no field",
    "ERROR-1",
    "approval_pending",
    [("errors:TransitionRefused.field", 'return f"{self.subject}_id"', "return None")],
)
breaks.add(
    "a refused call leaves an entry",
    "ERROR-2",
    "A run with open work is not completed",
    [
        (
            "repository:RunRepository.change",
            "decided = decide(change)",
            (
                "try:\n"
                "            decided = decide(change)\n"
                "        except Exception:\n"
                "            if change.run.status in ('running', "
                "'waiting_for_approval') and not change.records:\n"
                "                change.create('step', change.new_id(), sequence=9, "
                "kind='x', role_id='x', input={})\n"
                "                self._append(change, version)\n"
                "            raise"
            ),
        )
    ],
)
breaks.add(
    "a refusal has two lines",
    "ERROR-3",
    "A refusal is one line",
    [
        (
            "errors:safe_repr",
            "return visible_line(text, limit)",
            "return str(value)",
        ),
        ("errors:ScoriaError.__str__", "visible_line(self.message)", "self.message"),
    ],
)
breaks.add(
    "who loses a race is told that it won",
    "STORE-19",
    "fits one order of their calls",
    [
        (
            "repository:RunRepository.change",
            "refused = version, error.actual",
            "return change.run, decided",
        ),
        (
            "repository:RunRepository._change_cached",
            "raise\n        return None",
            "raise\n        return change.run, decided",
        ),
    ],
)
for rule in sorted({rule.__name__ for rule in history._RULES.values()}):
    breaks.add(
        f"a history is not held against {rule}",
        "JOURNAL-7",
        "sealed anew after a change",
        [(f"history:{rule}", "-> str | None:\n", "-> str | None:\n    return None\n")],
    )
breaks.add(
    "a decision by nobody is read",
    "JOURNAL-7",
    "sealed anew after a change",
    [("history:_approval_decided", "entry.actor_id is None", "False")],
)
breaks.add(
    "a decision that came too late is read",
    "JOURNAL-7",
    "sealed anew after a change",
    [("history:_approval_decided", "_is_overdue(approval, entry)", "False")],
)
breaks.add(
    "a journal that breaks off is read",
    "JOURNAL-7",
    "sealed anew after a change",
    [("run:Run.catch_up", "(change := unfinished(self)) is not None", "(change := None)")],
)
breaks.add(
    "a journal that goes back in time is read",
    "JOURNAL-7",
    "sealed anew after a change",
    [("history:impossible", "entry.at < run.journal[-1].at", "False")],
)
