"""Malformed inputs by kind: what each is, the way in that a user takes, and what the user is told."""
