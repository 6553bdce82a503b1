"""The Fine-tune page: signed readings of a store go in; head versions, and the active one of each task, come out.

`page` lays it out, `events` holds what happens on it, `head_report` writes a head's comparison and the list of jobs as
HTML, and `custom_task` declares a new task.
"""
