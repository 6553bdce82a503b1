"""The reading page: `layout` holds the components, `*_events` the handlers, `page` connects them."""
