"""Exams, readings, heads, jobs, embeddings and predictions in one SQLite file; the only wing with SQL, without torch.

Entry points: `store.Store`, `archive.import_exams`, `archive.open_stored_exam`.
"""
