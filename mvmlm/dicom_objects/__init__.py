"""Standard DICOM objects: answers and readings of an exam go out, marks of other CAD programs come in.

Out: Mammography CAD SR (TID 4000), Comprehensive SR (TID 1500), Grayscale Softcopy Presentation State and Secondary
Capture. In: the findings of a Mammography CAD SR. Each object that is written belongs to the study of its pictures, in
a series of its own, and says "RESEARCH". `docs/dicom_objects.md` lists the codes.
"""
