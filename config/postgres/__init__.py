"""The database engine: Django's own for PostgreSQL, which starts the embedded server when asked."""
