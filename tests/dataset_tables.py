"""Small made-up tables in the layout of public data sets, and the folder of the real ones."""

import json
import os
from pathlib import Path

import pytest

from mvmlm.datasets.case import Case
from mvmlm.datasets.registry import read_dataset


def put(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def real_tables(name):
    """The folder of a real table below MVMLM_TABLES; the test is skipped where it is not there."""
    folder = Path(os.environ.get("MVMLM_TABLES", "/nowhere")) / name
    if not folder.is_dir():
        pytest.skip(f"MVMLM_TABLES names no folder with {name}/")
    return folder


def read_cases(name, root):
    """The cases of a data set by exam, and what is skipped by its name."""
    return {case.exam if isinstance(case, Case) else case.name: case for case in read_dataset(name, root)}


RSNA_HEADER = "site_id,patient_id,image_id,laterality,view,age,cancer,biopsy,invasive,BIRADS,implant,density,machine_id,difficult_negative_case\n"


def rsna(root):
    put(root, "train.csv", RSNA_HEADER +
        "2,10006,462822612,L,CC,61.0,0,0,0,,0,,29,False\n"
        "2,10006,1459541791,L,MLO,61.0,0,0,0,,0,,29,False\n"
        "1,10011,220375232,R,CC,55.0,1,1,1,0.0,0,B,21,True\n"
        "1,10011,270344397,R,AT,55.0,1,1,1,0.0,0,C,21,True\n"
        "1,10012,1,R,CC,55.0,0,1,0,2.0,1,A,21,False\n1,10012,2,R,CC,55.0,0,1,0,2.0,1,A,21,False\n"
        "1,10012,3,L,MLO,55.0,0,0,1,1.0,1,A,21,False\n")  # fmt: skip


def rsna_640(root):
    put(root, "rsna.csv", "file,patient,laterality,view,age,cancer,biopsy,invasive,birads,density,implant,site,machine,was_inverted\n"
        "rsna/p1_L_CC.jpg,p1,L,CC,65.0,0,0,0,1.0,B,0,1,21,0\nrsna/p1_L_MLO.jpg,p1,L,MLO,65.0,0,0,0,1.0,B,0,1,21,0\n"
        "rsna/p1_R_CC.jpg,p1,R,CC,65.0,0,0,0,,B,0,1,21,0\nrsna/p2_R_CC.jpg,p2,R,CC,70.0,1,1,1,0.0,,0,2,21,1\n")  # fmt: skip
    put(root, "rsna/p1_L_CC.jpg", "x")


CSAW_HEADER = (
    "anon_patientid,exam_year,anon_filename,x_age,x_case,x_cancer_laterality,x_type,x_lymphnode_met,rad_timing,rad_r1,rad_r2,"
    "rad_recall,rad_recall_type_right,rad_recall_type_left,imagelaterality,viewposition,libra_breastarea,libra_densearea,libra_percentdensity\n"
)


def csaw_row(patient, year, case, side, timing, image_side, view="CC"):
    file = f"{patient}_{year}_{image_side[0]}_{view}.dcm"
    return f"{patient},{year},{file},1,{case},{side},,,{timing},0,0,0,,,{image_side},{view},127.2,29.5,23.2\n"


def csaw_cc(root):
    exams = [
        ("1", 2010, "1", "Left", "3"), ("1", 2012, "1", "Left", "1"),  # found by the screening of 2012
        ("2", 2009, "1", "Right", "3"), ("2", 2011, "1", "Right", "2"),  # an interval cancer after 2011
        ("3", 2010, "1", "Left", "3"), ("3", 2011, "1", "Left", "3"),  # found more than two years after the last exam
        ("4", 2011, "0", "NA", ""), ("4", 2014, "0", "NA", ""), ("5", 2011, "1", "Left", ""),
    ]  # fmt: skip
    rows = [csaw_row(*exam, side) for exam in exams for side in ("Left", "Right")]
    put(root, "CSAW-CC_breast_cancer_screening_data.csv", CSAW_HEADER + "".join(rows))
    put(root, "1_2010_L_CC.dcm", "x")


CMMD_HEADER = "ID1,LeftRight,Age,number,abnormality,classification,subtype\n"


def cmmd(root):
    put(root, "CMMD_clinicaldata_revision.csv", CMMD_HEADER +
        "D1-0001,R,44,2,calcification,Benign,\nD2-0002,L,50,2,both,Malignant,Luminal A\n"
        "D2-0002,R,50,2,mass,,\nD2-0003,R,50,2,lump,maybe,\n")  # fmt: skip
    put(root, "CMMD/D2-0002/07-18-2010/1-1.dcm", "x")
    put(root, "CMMD/D2-0003/07-18-2010/1-1.dcm", "x")


def sightr_entry(patient, side, view, birads, places, category, density="B"):
    file = f"{side[0].upper()}{view}.png"
    return {
        "patient_id": patient, "image_filename": file, "relative_path": f"{patient}/{file}", "view": view, "laterality": side,
        "birads": birads, "birads_label": f"BI-RADS {birads}", "breast_composition": density, "findings_locations": places,
        "patient_birads": category,
    }  # fmt: skip


def mammosightr(root):
    women = [
        ("one", "left", 4, ["upper outer", "retroareolar"], 4), ("one", "right", 1, [], 4),
        ("none", "left", 2, [], 2), ("none", "right", 2, [], 2),
        ("both", "left", 5, ["lower inner"], 5), ("both", "right", 5, ["upper outer"], 5),
        ("benign", "left", 2, "lower inner", 2), ("benign", "right", 2, "['upper outer']", 2),
        ("clear", "left", 1, None, 1), ("clear", "right", 1, float("nan"), 1),
        ("open", "left", 0, ["upper outer"], 0),
    ]  # fmt: skip
    entries = [
        sightr_entry(patient, side, view, birads, places, category)
        for patient, side, birads, places, category in women for view in ("CC", "MLO")
    ]  # fmt: skip
    put(root, "metadata_image_level.json", json.dumps(entries))
    put(root, "all_pngs/one/LCC.png", "x")


FIXTURES = {
    "rsna": rsna, "rsna-640": rsna_640, "csaw-cc": csaw_cc, "cmmd": cmmd, "mammosightr": mammosightr,
}  # fmt: skip
