"""What a reader states about an exam (form, marks, report) goes in; labels, findings and merged readings come out.

Entry points: `reading.Reading`, `form.form_questions`, `edit`, `merge.merge_readings`, `labels.label_of`,
`location.locate_finding`.
"""
