"""Traps about which picture is a standard view."""

import numpy as np
from pydicom.dataset import Dataset

from .table import asked, breast, dicom, extra, marked, picture, right, save_pair


def code(value, meaning="x", scheme="SCT"):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def root_modifier(value):
    return lambda ds: setattr(ds, "ViewModifierCodeSequence", [code(value)])


def item_modifier(value, scheme="SCT"):
    return lambda ds: setattr(ds.ViewCodeSequence[0], "ViewModifierCodeSequence", [code(value, scheme=scheme)])


def image_type(what, mark, *values, outcome=extra):
    return dicom(f"ImageType {values[-1]}: {what}", outcome(mark), ImageType=["DERIVED", "PRIMARY", *values])


def words(text, mark, keyword="SeriesDescription", outcome=extra):
    return dicom(f"{keyword} “{text}”", outcome(mark), **{keyword: text})


IMAGE_TYPES = [
    image_type("one half of a stereotactic pair", "stereo", "STEREO"),
    image_type("the other way to write it", "stereo", "STEREO_MINUS"),
    image_type("the scout before a stereotactic pair", "stereo-scout", "STEREO_SCOUT"),
    image_type("a subtraction", "subtraction", "SUBTRACTION"),
    image_type("a projection of a tomosynthesis, one frame", "tomo-projection", "TOMO_PROJ"),
    image_type("the same in the fourth value", "tomo-projection", "TOMOSYNTHESIS", "PROJECTION"),
    image_type("a slice of a tomosynthesis saved as a mammogram", "tomo-slice", "TOMOSYNTHESIS"),
    image_type("a slab of a tomosynthesis", "tomo-slice", "TOMO", "SLAB"),
    image_type("computed from a tomosynthesis", "synthetic", "TOMOSYNTHESIS", "GENERATED_2D", outcome=marked),
    image_type("computed, as another maker says it", "synthetic", "TOMO_2D", outcome=marked),
    image_type("recombined contrast picture, which shows iodine and no breast", "recombined", "RECOMBINED"),
    image_type("low-energy picture of a contrast mammogram", "low-energy", "LOW_ENERGY", outcome=marked),
    image_type("high-energy picture, not for reading", "high-energy", "HIGH_ENERGY"),
    image_type("a picture after contrast, which may be recombined", "standard", "POST_CONTRAST", outcome=asked),
    image_type("a picture of two energies", "standard", "DUAL_ENERGY", outcome=asked),
    image_type("a picture of a biopsy", "standard", "BIOPSY", outcome=asked),
    image_type("the localizer of a procedure", "standard", "LOCALIZER", outcome=asked),
    image_type("a test object", "standard", "PHANTOM", outcome=asked),
    image_type("a projection of the highest values of a volume", "standard", "MIP", outcome=asked),
    dicom("ImageType TOMO in its first value", asked("standard"), ImageType=["TOMO", "PRIMARY"]),
    image_type("the mask of a region", "region", "ROI_MASK"),
    image_type("marks of a detection program in the picture", "region", "CAD"),
]

MODIFIERS = [
    dicom("magnification as a modifier of the view", extra("magnification"), item_modifier("399163009")),
    dicom("spot as a modifier at the root of the data set", extra("spot"), root_modifier("399055006")),
    dicom("implant displaced as a modifier at the root", extra("implant-displaced"), root_modifier("R-102D5")),
    dicom("rolled lateral, in the old code", extra("rolled"), item_modifier("R-102CA", "SRT")),
    dicom("a modifier that no table knows", extra("other-modifier"), item_modifier("99X", "99LOCAL")),
    dicom("magnification only as a factor of 1.8", extra("magnification"), EstimatedRadiographicMagnificationFactor="1.8"),
    dicom("magnification only by the distances 650 and 360 mm", extra("magnification"),
          DistanceSourceToDetector="650", DistanceSourceToPatient="360"),
    dicom("a factor of 1.0 against distances that magnify 1.8 times", extra("magnification"),
          EstimatedRadiographicMagnificationFactor="1.0", DistanceSourceToDetector="650", DistanceSourceToPatient="360"),
    dicom("distances of a contact view", right(), DistanceSourceToDetector="660", DistanceSourceToPatient="640"),
    dicom("distances in different units: a ratio of 10", right(), DistanceSourceToDetector="650", DistanceSourceToPatient="65"),
    dicom("a spot paddle, nothing else", extra("spot"), PaddleDescription="SPOT CONTACT"),
    dicom("a magnification paddle, nothing else", extra("magnification"), PaddleDescription="10CM MAG"),
]  # fmt: skip

WORDS = [
    words("R CC MAG", "magnification"), words("RCC Magnified 1.8x", "magnification"),
    words("Vergrößerung R CC", "magnification"), words("Vergroesserungsaufnahme", "magnification"),
    words("CC droit agrandissement", "magnification"), words("ampliación CC derecha", "magnification"),
    words("ingrandimento CC dx", "magnification"), words("uitvergroting", "magnification"),
    words("RMCC", "magnification"), words("R CC x1.8", "magnification"),
    words("Spot compression", "spot"), words("R CC SPOTMAG", "spot"), words("Cone down R CC", "spot"),
    words("Zielkompression R CC", "spot"), words("cliché localisé CC", "spot"),
    words("compresión focalizada", "spot"), words("compressione mirata", "spot"),
    words("R CC ID", "implant-displaced"), words("RCCID", "implant-displaced"), words("RCCD", "implant-displaced"),
    words("Implant Displaced", "implant-displaced"), words("IMPLANT PUSHBACK", "implant-displaced"),
    words("R CC Eklund", "implant-displaced"), words("Implantat verschoben", "implant-displaced"),
    words("prothèse refoulée", "implant-displaced"), words("implante desplazado", "implant-displaced"),
    words("R CC rolled lateral", "rolled"), words("R CC tangential", "tangential"),
    words("Specimen radiograph", "specimen"), words("Präparat", "specimen"), words("pièce opératoire", "specimen"),
    words("Stereotactic scout", "stereo"), words("wire localization R CC", "stereo"), words("Galaktographie", "stereo"),
    words("R CC subtracted", "subtraction"), words("R CC recombined", "recombined"),
    words("ROI mask images", "region"), words("cropped images", "region"), words("R CC CAD overlay", "region"),
    words("R CC C-View", "synthetic", outcome=marked), words("R CC Synthetic 2D", "synthetic", outcome=marked),
    words("R CC Insight 2D", "synthetic", outcome=marked), words("R CC low energy", "low-energy", outcome=marked),
    words("R CC biopsy", "standard", outcome=asked), words("R CC Tomosynthesis", "standard", outcome=asked),
    words("R CC CESM", "standard", outcome=asked), words("ACR phantom", "standard", outcome=asked),
    words("SPOT", "spot", keyword="ProtocolName"), words("R CC MAG VIEW", "magnification", keyword="ProtocolName"),
    words("Diagnostic: spot and mag views", "standard", keyword="StudyDescription", outcome=asked),
    words("Stereotactic biopsy right", "standard", keyword="StudyDescription", outcome=asked),
    words("implant displaced", "standard", keyword="ImageComments", outcome=asked),
    words("R CC ohne Vergrößerung", "", outcome=marked), words("R CC no spot", "", outcome=marked),
    words("R CC non-displaced implant", "", outcome=marked), words("full mammogram images", "", outcome=marked),
    words("MG 3D TOMO SCREENING WITH CAD", "", keyword="StudyDescription", outcome=marked),
    words("MAGNETOM room", "", outcome=marked), words("R CC high contrast", "", keyword="DerivationDescription", outcome=marked),
    dicom("ViewPosition “CC SPOT”", extra("spot"), ViewPosition="CC SPOT", ViewCodeSequence=None),
    dicom("ViewPosition “RCCID”", extra("implant-displaced"), ViewPosition="RCCID", ViewCodeSequence=None),
    dicom("ViewPosition SPECIMEN, no code", extra("specimen"), ViewPosition="SPECIMEN", ViewCodeSequence=None),
]  # fmt: skip

FILE_NAMES = [
    picture("a magnification named so", extra("magnification"), "R_CC_mag.png"),
    picture("a spot view named so", extra("spot"), "RCC-Spot.png"),
    picture("a magnification in the short form of the technologists", extra("magnification"), "RMCC.png"),
    picture("implant displaced in the short form", extra("implant-displaced"), "R_CC_ID.png"),
    picture("implant displaced in one word", extra("implant-displaced"), "RMLOID.tif"),
    picture("ID that is somebody's number", right("R_CC"), "R_CC_ID_1234.png"),
    picture("a specimen named so", extra("specimen"), "specimen_R_CC.png"),
    picture("a subtraction named so", extra("subtraction"), "L_CC subtraction.png", "L_CC"),
    picture("a recombined picture named so", extra("recombined"), "L_MLO_recombined.jpg", "L_CC"),
    picture("a picture in a folder of spot views", asked("standard"), "spot views/R_CC.png"),
    picture("a mask in a folder of masks", asked("standard"), "ROI masks/R_CC.png"),
    picture("a picture that may be a part of one", asked("standard"), "R_CC_crop.png"),
    picture("a surname that is also a direction of the beam", right("R_CC"), "TAN_R_CC.png"),
    picture("German words for side and projection", right("L_CC"), "craniocaudal links.png", "L_CC"),
    picture("French words for the oblique view", right("R_MLO"), "medio-laterale oblique droite.png", "R_MLO"),
    picture("side and projection given by two folders", right("L_CC"), "left/CC/0001.png", "L_CC"),
    picture("a name that says nothing", asked("view"), "IMG_0001.png"),
    picture("ML, which is no MLO", extra("", lambda view: str(view.name) == "R_ML"), "R_ML.png"),
    picture("a name with both sides", asked("view"), "left and right CC.png"),
]  # fmt: skip

BOTH = np.concatenate([breast(False), breast(True)], axis=1)
SHAPES = [
    dicom("both breasts in one picture, as they hang", asked("standard"), pixels=BOTH),
    dicom("both breasts in one picture, their chest walls at the outer edges", asked("standard"),
          pixels=np.concatenate([breast(True), breast(False)], axis=1)),
    dicom("both breasts in one picture without orientation", asked("standard"), pixels=BOTH, PatientOrientation=None),
    dicom("four views in one picture", asked("standard"), pixels=np.concatenate([BOTH, BOTH])),
    picture("both breasts in one PNG", asked("standard"), "R_CC.png", pixels=BOTH),
    dicom("a picture of one grey level", asked("standard"), pixels=np.full((160, 120), 1000, np.uint16)),
    dicom("a picture of one pixel", asked("standard"), pixels=np.full((1, 1), 1000, np.uint16)),
    dicom("a picture of noise", asked("standard"), pixels=np.random.default_rng(0).integers(0, 4096, (160, 120)).astype(np.uint16)),
]  # fmt: skip

CHOSEN = [
    save_pair("an acquired picture beside a synthetic one, which is larger", "synthetic.dcm", "synthetic",
              ImageType=["DERIVED", "PRIMARY", "TOMO_2D"]),
    save_pair("an acquired picture beside a low-energy one, which is larger", "low.dcm", "low-energy",
              ImageType=["DERIVED", "PRIMARY", "LOW_ENERGY"]),
    save_pair("an acquired picture beside one for processing, which is larger", "raw.dcm", "view-twice",
              PresentationIntentType="FOR PROCESSING"),
]  # fmt: skip

TRAPS = [
    dicom("none: the sound mammogram that all other traps change", right("R_CC")),
    dicom("none: a sound oblique view of the other breast", right("L_MLO"), view="L_MLO"),
    *IMAGE_TYPES, *MODIFIERS, *WORDS, *FILE_NAMES, *SHAPES, *CHOSEN,
]  # fmt: skip
