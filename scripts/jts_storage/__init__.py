"""What runs on a storage host: moves between its tiers, and what looks after them."""
