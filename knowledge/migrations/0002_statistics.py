"""Lets the application, which owns no table, gather statistics about what it has just taken in."""

from __future__ import annotations

from django.db import migrations

TABLES = "knowledge_document, knowledge_passage, knowledge_termcount"

FORWARD = f"""
CREATE FUNCTION knowledge_gather_statistics() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    ANALYZE {TABLES};
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, "DROP FUNCTION knowledge_gather_statistics()")]
