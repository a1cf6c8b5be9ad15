"""Row-level security for migrations. Every table with a tenant gets a policy when it is made."""

from __future__ import annotations

from django.db import migrations

OURS = "tenant_id = ANY ((SELECT NULLIF(current_setting('citedesk.tenant_ids', true), '')::bigint[])::bigint[])"


def protect(table: str, *, also_visible: str = "false") -> migrations.RunSQL:
    """Forces row-level security on `table`, for its owner too. Rows outside the current tenants
    are neither seen nor written; `also_visible` is an SQL condition under which a row may be read
    all the same."""
    return migrations.RunSQL(
        f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
        ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_rows ON {table} USING ({OURS}) WITH CHECK ({OURS});
        CREATE POLICY own_rows ON {table} FOR SELECT USING ({also_visible});
        """,
        f"""
        DROP POLICY own_rows ON {table};
        DROP POLICY tenant_rows ON {table};
        ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;
        ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
        """,
    )
