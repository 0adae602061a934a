"""Where a film of a table belongs: by the table, by a DICOM header, by the file's name."""

from agn_d2.dicom.acceptance import Wishes
from agn_d2.prepare.table import read_table

from ..dicom.dicom_files import film, mammogram, uid, write


def test_a_study_is_an_examination(tmp_path):
    """Two studies of a patient are two cases; of CBIS-DDSM's films, each with its own, one."""
    table = tmp_path / "mine.csv"
    table.write_text("file,box\n" + "".join(f"s/{n},\n" for n in range(4)))
    for number, (patient, study) in enumerate(
        [("A", "1"), ("A", "2"), ("Mass-Test_P_1_LEFT_CC", "3"), ("Mass-Test_P_1_LEFT_MLO", "4")]
    ):
        data = mammogram(film(), PatientID=patient, StudyInstanceUID=uid(study))
        write(tmp_path / "s" / str(number), data)
    films = read_table(table, tmp_path).films
    first, second, third, fourth = ((film.patient_id, film.case_id) for film in films)
    assert first[0] == second[0] and first[1] != second[1]
    assert third == fourth and third[1] is None


def test_a_lateral_view_is_taken_for_mlo_whoever_tells_its_side(tmp_path):
    write(tmp_path / "1.dcm", mammogram(film(), ViewPosition="LM", ImageLaterality=None))
    table = tmp_path / "mine.csv"
    table.write_text("file,box,side\n1.dcm,30 60 50 90,right\n")
    (found,) = read_table(table, tmp_path, wishes=Wishes(lateral=True)).films
    assert (found.laterality, found.view) == ("R", "MLO")


def test_a_patient_who_is_named_as_a_file_of_another_is_no_mistake(tmp_path):
    for name in ("7_LEFT_CC.png", "7_RIGHT_CC.png"):
        (tmp_path / name).touch()
    table = tmp_path / "t.csv"
    table.write_text("file,patient,box\n7_LEFT_CC.png,3,1 2 30 40\n7_RIGHT_CC.png,7,1 2 30 40\n")
    films = read_table(table, tmp_path).films
    assert [film.patient_id for film in films] == ["3", "7"]
