"""Files in, an `Exam` and the model's input out; views out as DICOM files.

Entry points: `load.load_exam`, `preprocess.Preprocessing`, `voi.render`, `write.write_view`. Files are opened in child
processes only (`decoder`, `decode_worker`). Nothing is imported here: a decoding process must start quickly.
"""
