"""The fine-tuning page: `page` lays it out, `events` holds what happens on it."""
