SELECT name FROM scoria_listener ORDER BY name
