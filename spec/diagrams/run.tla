---- MODULE run ----
\* A terminal state is an end and no deadlock: run TLC with -deadlock.

VARIABLES state

States == {"running", "waiting_for_approval", "completed", "failed", "cancelled"}

Terminal == {"completed", "cancelled"}

TypeOK == state \in States

Init == state = "running"

request_approval ==
    \/ state = "running" /\ state' = "waiting_for_approval"

resume ==
    \/ state = "waiting_for_approval" /\ state' = "running"

reject ==
    \/ state = "waiting_for_approval" /\ state' = "cancelled"

complete ==
    \/ state = "running" /\ state' = "completed"

fail ==
    \/ state = "running" /\ state' = "failed"

retry ==
    \/ state = "failed" /\ state' = "running"

cancel ==
    \/ state = "running" /\ state' = "cancelled"
    \/ state = "waiting_for_approval" /\ state' = "cancelled"
    \/ state = "failed" /\ state' = "cancelled"

Next ==
    \/ request_approval
    \/ resume
    \/ reject
    \/ complete
    \/ fail
    \/ retry
    \/ cancel

Spec == Init /\ [][Next]_state
====
