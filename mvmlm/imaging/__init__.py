"""Files in, an `Exam` and the model's input out; views out as DICOM files.

Entry points: `load.load_exam`, `preprocess.Preprocessing`, `voi.render`, `write.write_view`. Untrusted files are opened
in
child processes only: `decoder` starts `decode_worker`, which reads them with `dicom_header`, `dicom_pixels` and
`picture_files`. Nothing is imported here: the child process must start quickly.
"""
