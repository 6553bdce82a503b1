"""Public data sets and a table of your own in, cases out: the images of each exam and what the tables say about it.

One small file for each data set maps its tables to `case.Case`. `registry.read_dataset` reads a data set by name and
`check.summarize_dataset` counts what it holds; `columns` and `breasts` hold what the data sets' files share;
`view_agreement` decides which view a picture is. Outcomes become labels and never findings, so no report can contain
them.
"""
