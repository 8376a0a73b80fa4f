"""HTTP for people. Today: the one page at `/`. The pages of the app get their rooms here."""
