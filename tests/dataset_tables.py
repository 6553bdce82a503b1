"""Small made-up tables in the layout of public data sets, and the folder of the real ones."""

import json
import os
import zipfile
from pathlib import Path

import pytest

from mvmlm.datasets.case import Case
from mvmlm.datasets.registry import read_dataset


def put(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def real_tables(name, file=""):
    """A folder, or a file in it, of real tables below MVMLM_TABLES; the test is skipped where it is not there."""
    path = Path(os.environ.get("MVMLM_TABLES", "/nowhere")) / name / file
    if not path.exists():
        pytest.skip(f"MVMLM_TABLES names no folder with {name}/{file}")
    return path


def write_xlsx(path, rows, sheet="Sheet1"):
    """A spreadsheet with one sheet of text cells."""
    names = "http://schemas.openxmlformats.org/"
    kinds, links = (
        "application/vnd.openxmlformats-officedocument.spreadsheetml",
        names + "officeDocument/2006/relationships",
    )
    cells = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in row) + "</row>" for row in rows
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{names}package/2006/content-types"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType='
        f'"{kinds}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kinds}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{names}package/2006/relationships"><Relationship Id="a" '
        f'Type="{links}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{names}package/2006/relationships"><Relationship Id="b" '
        f'Type="{links}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{names}spreadsheetml/2006/main" xmlns:r="{links}"><sheets>'
        f'<sheet name="{sheet}" sheetId="1" r:id="b"/></sheets></workbook>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{names}spreadsheetml/2006/main"><sheetData>{cells}</sheetData></worksheet>',
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)


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


INBREAST_HEADER = (
    "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads;Mass ;Micros;Distortion;Asymmetry;"
    "Findings Notes (in Portuguese);Other Notes;Lesion Annotation Status;Pectoral Muscle Annotation;Other Annotations\n"
)


def inbreast_row(side, view, file, birads, marks, notes, status=""):
    cells = ";".join("X" if letter in marks else "" for letter in "MCDA")
    return f'removed;removed;{side};{view};201001;{file};2;{birads};{cells};"{notes}";;{status};;\n'


def inbreast_files(root, names):
    for name in names:
        put(root, f"AllDICOMs/{name}_ANON.dcm", "x")


def inbreast(root):
    put(root, "INbreast.csv", INBREAST_HEADER
        + inbreast_row("R", "CC", 1, 1, "", "normal", "No annotation (Normal)")
        + inbreast_row("R", "MLO", 2, 1, "", "normal - follow up", "no annotation (normal)")
        + inbreast_row("L", "CC", 3, "4a", "MC", "2 nódulos QSE + micros;Cluster")
        + inbreast_row("L", "MLO", 4, "4a", "M", "2 nódulos QSE + micros;Cluster")
        + inbreast_row("L", "CC", 5, 6, "MC", "nódulo direita + micros", "Spiculated Region")
        + inbreast_row("R", "CC", 6, 5, "MC", "nódulo direita + calcificação vasos - já biopsado", "Spiculated Region")
        + inbreast_row("R", "MLO", 7, 5, "C", "micros TQS e QSE ; Cluster")
        + inbreast_row("L", "MLO", 99, 2, "", "normal"))  # fmt: skip
    inbreast_files(
        root, ["1_a_MG_R_CC", "2_a_MG_R_ML", "3_a_MG_L_CC", "4_a_MG_L_ML", "5_b_MG_L_CC", "6_b_MG_R_CC", "7_b_MG_R_ML"]
    )


CDD_HEADER = "file,folder_class,laterality,view,patient,age,density,birads,findings,tags,pathology\n"


def cdd_cesm(root):
    put(root, "cdd_cesm.csv", CDD_HEADER +
        "cdd_cesm/1.jpg,malignant,L,CC,c1,50.0,B,5$2,Two high density masses with speculated margin and edema pattern$Benign macrocalcification,malignant mass,Malignant\n"
        "cdd_cesm/2.jpg,benign,R,CC,c1,50.0,_,2,IMLN ,benign IMLN,Benign\n"
        "cdd_cesm/3.jpg,normal,R,CC,c2,50.0,C,1,Normal,normal,Normal\ncdd_cesm/4.jpg,normal,L,CC,,,,,,,\n"
        "cdd_cesm/5.jpg,malignant,L,CC,c3,60.0,C,6,High density irregular mass,,Malignant\n")  # fmt: skip
    put(root, "cdd_cesm_outlines.json", json.dumps({
        "cdd_cesm/1.jpg": [{"name": "circle", "cx": 10, "cy": 20, "r": 5}],
        "cdd_cesm/5.jpg": [{"name": "ellipse", "cx": 10, "cy": 20, "rx": 5, "ry": 2}, {"name": "point", "cx": 1, "cy": 1},
                           {"name": "polygon", "all_points_x": [1, 4, 2], "all_points_y": [7, 5, 9]}],
    }))  # fmt: skip
    put(root, "cdd_cesm/1.jpg", "x")


CBIS_MASS_HEADER = (
    "file,patient,laterality,view,density,birads,abnormality,abnormality_id,mass_shape,mass_margin,calc_type,calc_distribution,"
    "pathology,subtlety,x0,y0,x1,y1,outline,lesion_match,alternatives,view_pathology,orig_width,orig_height,aspect_w_over_h,"
    "aspect_source,box_note,view_note\n"
)


def cbis_mass_800(root):
    put(root, "cbis_mass.csv", CBIS_MASS_HEADER +
        "m/1_R_CC.jpg,p1,R,CC,B,4,mass,1,LOBULATED,OBSCURED,,,BENIGN,4,100,200,300,400,,sure,,BENIGN,,,0.55,exact,,\n"
        "m/1_R_MLO.jpg,p1,R,MLO,B,4,mass,1,IRREGULAR-ARCHITECTURAL_DISTORTION,ILL_DEFINED-SPICULATED,,,BENIGN,4,10,20,30,40,,sure,,BENIGN,,,0.6,estimated,,\n"
        "m/1_R_MLO.jpg,p1,R,MLO,B,4,calcification,2,,,PLEOMORPHIC,CLUSTERED,BENIGN,3,,,,,,place unknown,,BENIGN,,,0.6,estimated,,\n"
        "m/2_L_CC.jpg,p2,L,CC,C,5,mass,,,SPICULATED,,,MALIGNANT,5,1,2,3,4,,ambiguous,\"ROUND,X | OVAL,X\",MALIGNANT,,,0.5,exact,,\n"
        "m/2_L_CC.jpg,p2,L,CC,C,5,mass,,,SPICULATED,,,MALIGNANT,5,5,6,7,8,,ambiguous,\"ROUND,X | OVAL,X\",MALIGNANT,,,0.5,exact,,\n"
        "m/2_L_MLO.jpg,p2,L,MLO,C,5,mass,,,SPICULATED,,,MALIGNANT,5,1,2,3,4,,ambiguous,,MALIGNANT,,,0.5,exact,,\n"
        "m/3_L_CC.jpg,p2,R,CC,C,2,mass,1,LYMPH_NODE,CIRCUMSCRIBED,,,,5,1,2,3,4,,sure,,,,,0.5,exact,,\n")  # fmt: skip
    put(root, "m/1_R_CC.jpg", "x")


FIXTURES = {
    "rsna": rsna, "rsna-640": rsna_640, "csaw-cc": csaw_cc, "cmmd": cmmd, "mammosightr": mammosightr, "inbreast": inbreast,
    "cdd-cesm": cdd_cesm, "cbis-mass-800": cbis_mass_800,
}  # fmt: skip
