---- MODULE approval ----
\* A terminal state is an end and no deadlock: run TLC with -deadlock.

VARIABLES state

States == {"pending", "approved", "rejected", "expired", "withdrawn"}

Terminal == {"rejected", "expired", "withdrawn"}

TypeOK == state \in States

Init == state = "pending"

endorse ==
    \/ state = "pending" /\ state' = "pending"

remind ==
    \/ state = "pending" /\ state' = "pending"

approve ==
    \/ state = "pending" /\ state' = "approved"

reject ==
    \/ state = "pending" /\ state' = "rejected"

expire ==
    \/ state = "pending" /\ state' = "expired"
    \/ state = "approved" /\ state' = "expired"

withdraw ==
    \/ state = "pending" /\ state' = "withdrawn"

Next ==
    \/ endorse
    \/ remind
    \/ approve
    \/ reject
    \/ expire
    \/ withdraw

Spec == Init /\ [][Next]_state
====
