SELECT max(version) FROM scoria_schema
