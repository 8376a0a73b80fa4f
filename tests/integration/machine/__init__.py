"""Random operations by random people never break what has to hold: permission, trail and topology move together."""
