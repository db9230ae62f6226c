"""The mistakes of one afternoon, by number: tests/data/catalogue/graded.txt, and tests for those outside a file.

Each message has the cause and the remedy in one line. `pytest --golden` writes the current messages.
"""

from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.catalogue import GRADED, Mistake, accept, read
from tests.support.estates import mistakes

ROWS = read(GRADED)
ELSEWHERE = {
    24: ["unit/operations/test_main.py::test_check_lists_pending_inputs"],
    30: ["unit/estate/test_warnings.py::test_a_region_that_astronomer_does_not_list_passes"],
    42: [
        "unit/estate/test_estate.py::test_a_file_that_is_no_estate_is_refused_in_one_line",
        "unit/estate/test_bad_input.py::test_line_ends_and_byte_order_marks_move_no_mistake",
        "unit/operations/test_documents.py::test_an_irregular_file_is_refused_at_once",
    ],
    43: ["unit/operations/test_main.py::test_a_file_of_a_similar_name_is_suggested"],
    44: ["unit/operations/test_main.py::test_state_create_without_credentials_explains_the_sign_in"],
    45: ["unit/operations/test_status.py::test_missing_credentials_end_in_an_error_not_a_traceback"],
    46: [
        "unit/operations/test_terraform.py::test_explains_how_to_get_a_missing_binary",
        "unit/operations/test_cdktf_call.py::test_an_old_terraform_stops_the_call",
    ],
    47: ["unit/operations/test_preflight.py::test_credentials_of_another_account_block"],
    48: [
        "unit/operations/test_cdktf_call.py::test_a_variable_that_is_not_set_stops_the_call",
        "unit/operations/test_cdktf_call.py::test_check_reports_whether_each_variable_is_set",
        "unit/operations/test_preflight.py::test_a_missing_bucket_is_created_by_a_command",
        "unit/operations/test_main.py::test_a_word_that_is_no_command_exits_with_2",
    ],
}
"""The tests of mistakes that no edit of a file can make, and of edits that are valid."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graded")
    (folder / "policies").symlink_to(ROOT / "examples/policies")
    return folder


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_mistake_has_its_cause_and_cure(row: Mistake, folder: Path, pytestconfig: pytest.Config) -> None:
    found = mistakes(folder, row.text((ROOT / f"examples/{row.example or 'vpc_peering'}.yaml").read_text()))
    assert found
    if pytestconfig.getoption("golden"):
        accept(row, found, GRADED)
    else:
        assert found == row.said


def test_every_number_has_a_row_or_a_test() -> None:
    assert sorted({int(row.name.split()[0]) for row in ROWS} | set(ELSEWHERE)) == list(range(1, 49))
    for file, name in (test.split("::") for tests in ELSEWHERE.values() for test in tests):
        assert f"def {name}(" in (ROOT / "tests" / file).read_text()
