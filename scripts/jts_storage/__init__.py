"""What runs on a storage host: moves between its tiers, backups, checks and reports."""
