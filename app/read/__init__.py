"""The reading page: `page` lays it out, `events` holds what happens on it."""
