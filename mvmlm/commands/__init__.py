"""The commands of the command line: options go in; text on stdout, files and an exit status come out.

`COMMANDS` lists them in the order of the help. Libraries are imported inside the functions that need them, so that a
command starts without loading what it does not use.
"""

from .accounts import ACCOUNT
from .api_keys import API_KEY
from .clinical_risk import CLINICAL_RISK
from .dicom_objects import DICOM_OBJECTS, DICOM_READINGS
from .display import CHECK_DISPLAY
from .evaluation import EVALUATE
from .exams import PREDICT, READ
from .model import MODEL
from .models import CONVERT, MODELS
from .pacs import PACS
from .phantoms import PHANTOM
from .pretraining import DATASETS, PRETRAIN, REWRITE
from .score import SCORE, WORKLIST
from .site_versions import CALIBRATE, THRESHOLD
from .store import EXPORT, FINETUNE, JOIN, KEEP, LABELS, SEPARATE
from .watch import WATCH

COMMANDS = (
    READ,
    CHECK_DISPLAY,
    PREDICT,
    CLINICAL_RISK,
    SCORE,
    MODEL,
    MODELS,
    CONVERT,
    PHANTOM,
    DATASETS,
    PRETRAIN,
    REWRITE,
    KEEP,
    JOIN,
    SEPARATE,
    PACS,
    LABELS,
    EXPORT,
    ACCOUNT,
    API_KEY,
    DICOM_OBJECTS,
    DICOM_READINGS,
    WORKLIST,
    FINETUNE,
    CALIBRATE,
    THRESHOLD,
    WATCH,
    EVALUATE,
)
