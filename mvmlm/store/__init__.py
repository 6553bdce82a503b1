"""Exams, readings, heads, jobs, embeddings and predictions in one SQLite file.

The only wing with SQL; it never imports torch.

Entry points: `store.Store`, `archive.import_exams`, `archive.open_stored_exam`.
"""
