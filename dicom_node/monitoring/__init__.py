"""What others are told of the node's life: metrics, the audit trail, notifications."""
