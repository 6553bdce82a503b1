"""The Worklist page: a store goes in; the list of its exams, imports and exports come out.

`page` lays it out, `label_next` adds what to label next and how far readers agree, `events` holds what happens on it,
`rows` and `exam_filter` hold what the tables show, and `exports` holds the routes of the downloads.
"""
