INSERT INTO scoria_listener (name)
VALUES (%(listener)s)
ON CONFLICT DO NOTHING
RETURNING name
