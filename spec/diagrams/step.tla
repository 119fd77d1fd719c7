---- MODULE step ----
\* A terminal state is an end and no deadlock: run TLC with -deadlock.

VARIABLES state

States == {"queued", "running", "waiting_for_approval", "completed", "failed", "cancelled"}

Terminal == {"completed", "cancelled"}

TypeOK == state \in States

Init == state = "queued"

claim ==
    \/ state = "queued" /\ state' = "running"

complete ==
    \/ state = "running" /\ state' = "completed"

fail ==
    \/ state = "running" /\ state' = "failed"

request_approval ==
    \/ state = "running" /\ state' = "waiting_for_approval"

resume ==
    \/ state = "waiting_for_approval" /\ state' = "queued"

release ==
    \/ state = "running" /\ state' = "queued"

retry ==
    \/ state = "failed" /\ state' = "queued"

cancel ==
    \/ state = "queued" /\ state' = "cancelled"
    \/ state = "running" /\ state' = "cancelled"
    \/ state = "waiting_for_approval" /\ state' = "cancelled"
    \/ state = "failed" /\ state' = "cancelled"

Next ==
    \/ claim
    \/ complete
    \/ fail
    \/ request_approval
    \/ resume
    \/ release
    \/ retry
    \/ cancel

Spec == Init /\ [][Next]_state
====
