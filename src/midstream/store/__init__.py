"""The database: tables, sessions, the snapshot the event path reads, and Event Delivery. SQLite or PostgreSQL."""
