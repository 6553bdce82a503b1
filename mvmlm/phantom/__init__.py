"""Four-view phantom exams with known truth: a random generator in; an exam, its findings, masks and follow-up out.

A breast is a 3-D volume of fibroglandular fraction plus lesions at 3-D positions. Both of its views are projections of
that one breast (CC along the cranio-caudal axis, MLO at 45 degrees), attenuated by Beer-Lambert with scatter, noise and
blur, then processed as a vendor would. Phantoms test the software, not medicine: see assets/MODEL_CARD.md.

Breast coordinates in mm: x from the chest wall to the nipple, y to lateral, z to cranial; the vertical axis v of an MLO
is (y + z) / sqrt 2, that of a CC is y. Images are drawn with the chest wall on the left and lateral (CC) or cranial
(MLO) up; the views of a right breast are mirrored when they are written.
"""

from .canvas import FIELD_MM
from .exams import PhantomExam, annual_hazard, phantom_exam, phantom_exams
from .lesions import Lesion, PhantomBreast

__all__ = ["FIELD_MM", "Lesion", "PhantomBreast", "PhantomExam", "annual_hazard", "phantom_exam", "phantom_exams"]
