"""A PACS beside this program: a search in, files of mammograms out; results back; exams that modalities send, in.

Entry points: `client.PacsClient` (DICOMweb: search, fetch, push) and `listener.listen` (DICOM: C-STORE into the store).
What a PACS answers is untrusted: bounded in size and time, and its files are opened in child processes only.
"""
