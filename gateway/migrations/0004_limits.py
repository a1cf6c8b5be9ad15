from django.db import migrations

# Not a model: no row belongs to a tenant, none is worth a backup, and only `gateway_take` reads it.
TABLE = "CREATE UNLOGGED TABLE gateway_quota (key text PRIMARY KEY, full_at double precision NOT NULL)"

# Takes from all buckets or from none, in the order of their keys; see gateway/limits/store.py.
TAKE = """
CREATE FUNCTION gateway_take(
    keys text[], wanted float8[], lowest float8[], every float8[], capacity float8[], kept float8[], owed float8[],
    OUT amounts float8[], OUT wait float8
) LANGUAGE plpgsql AS $$
DECLARE
    moment float8;
    place int;
    full_then float8;
    free float8;
    debts float8[];
BEGIN
    wait := 0;
    amounts := array_fill(0::float8, ARRAY[cardinality(keys)]);
    debts := amounts;
    FOR place IN SELECT ordinality FROM unnest(keys) WITH ORDINALITY AS one (key, ordinality) ORDER BY key LOOP
        INSERT INTO gateway_quota AS quota (key, full_at) VALUES (keys[place], 0)
        ON CONFLICT (key) DO UPDATE SET full_at = quota.full_at RETURNING full_at INTO full_then;
        moment := extract(epoch FROM clock_timestamp());
        debts[place] := greatest(full_then - moment, owed[place], 0);
        free := capacity[place] - debts[place] / every[place] - kept[place];
        amounts[place] := least(wanted[place], greatest(free, lowest[place]));
        IF lowest[place] > 0 THEN
            wait := greatest(wait, (lowest[place] - free) * every[place]);
        END IF;
    END LOOP;
    IF wait > 0 THEN
        amounts := array_fill(0::float8, ARRAY[cardinality(keys)]);
    END IF;
    FOR place IN 1 .. cardinality(keys) LOOP
        UPDATE gateway_quota SET full_at = moment + greatest(0, debts[place] + amounts[place] * every[place])
        WHERE key = keys[place];
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("gateway", "0003_budgets")]

    operations = [
        migrations.RunSQL(TABLE, "DROP TABLE gateway_quota"),
        migrations.RunSQL(TAKE, "DROP FUNCTION gateway_take"),
    ]
