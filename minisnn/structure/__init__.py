"""Who is connected to whom, and how that changes."""
