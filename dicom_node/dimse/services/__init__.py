"""Services that this node provides to callers (SCP role), one file each."""
