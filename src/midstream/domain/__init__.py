"""The rules, pure: no I/O, no clock, no async. Everybody may enter; it knows nobody but `errors`."""
