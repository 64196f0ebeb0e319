"""The audit trail: messages of PS3.15 A.5, kept, and sent by syslog."""
