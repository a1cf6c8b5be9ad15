"""What calls cost, how long they took and how they failed, counted from the audit records."""
