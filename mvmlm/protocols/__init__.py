"""Models and exams whose truth is known go in; predictions, measures of maps and probes of an evaluation come out.

An evaluation is a run in a folder that goes on where it was ended. `evaluation` makes the report of its tables.
"""
