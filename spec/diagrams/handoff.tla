---- MODULE handoff ----
\* A terminal state is an end and no deadlock: run TLC with -deadlock.

VARIABLES state

States == {"pending", "running", "completed", "failed", "cancelled"}

Terminal == {"completed", "cancelled"}

TypeOK == state \in States

Init == state = "pending"

start ==
    \/ state = "pending" /\ state' = "running"

complete ==
    \/ state = "running" /\ state' = "completed"

fail ==
    \/ state = "running" /\ state' = "failed"

release ==
    \/ state = "running" /\ state' = "pending"

retry ==
    \/ state = "failed" /\ state' = "pending"

cancel ==
    \/ state = "pending" /\ state' = "cancelled"
    \/ state = "running" /\ state' = "cancelled"
    \/ state = "failed" /\ state' = "cancelled"

Next ==
    \/ start
    \/ complete
    \/ fail
    \/ release
    \/ retry
    \/ cancel

Spec == Init /\ [][Next]_state
====
