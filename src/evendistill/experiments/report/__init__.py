"""What people read: tables, the picture of the frontier, the page."""
