"""Who is calling, and what they may do. Knows no HTTP framework and no storage: only names and errors."""
