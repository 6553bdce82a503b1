"""An archive of exams goes in, as a folder or a table; one Parquet file of answers and a table of failures come out.

Exams are prepared ahead in threads while a network reads (`pipeline`), here or on the machines of a Ray cluster
(`ray_cluster`). What is done is kept in parts, so that a run that was ended goes on (`parts`).
"""
