"""What a reader says of an exam in (form, marks, report), labels and merged readings out.

Entry points: `reading.Reading`, `form_fields.form`, `merge.merge_readings`, `labels.label_of`, `location.locate_finding`.
"""
