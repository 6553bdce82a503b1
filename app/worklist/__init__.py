"""The worklist page: `page` lays it out, `events` holds what happens on it."""
