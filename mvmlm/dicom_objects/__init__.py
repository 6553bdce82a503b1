"""Standard DICOM objects: answers and readings of an exam go out, marks of other programs come in.

Out: Mammography CAD SR (TID 4000), Comprehensive SR (TID 1500), Grayscale Softcopy Presentation State and Secondary
Capture. In: the marks of Mammography CAD SR, of SR after TID 1500, and of presentation states. Each object that is
written belongs to the study of its pictures, in a series of its own, and says "RESEARCH". `docs/dicom_objects.md` lists
the codes.
"""
