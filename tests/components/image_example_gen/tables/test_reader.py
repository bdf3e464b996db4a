"""Tables: places of rows in the file, rows that hold nothing, headers that are none."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.image_example_gen.tables.reader import Table
from schemas.errors import InputError


def table(folder, text, name="t.csv"):
    data = text.encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return Table(str(folder), name)


def read(made):
    return [cells["a"] for cells in made.rows(("a",), ("b",))]


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_without_any_value_are_skipped_and_counted(tmp_path, name, end):
    lines = ["a,b", "1,2", ",", "3,", " , ", ",,,", "", ""]
    made = table(tmp_path, end.join(lines), name)
    assert read(made) == ["1", "3"]
    assert made.empty_rows == 3
    assert read(made) == ["1", "3"]
    assert made.empty_rows == 3


def test_empty_rows_of_parquet(tmp_path):
    columns = {"a": ["1", None, "3", None], "b": [None, None, "4", ""]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    made = Table(str(tmp_path), "t.parquet")
    assert read(made) == ["1", "3"]
    assert made.empty_rows == 2
    assert made.where(2) == "t.parquet, row 2"


def test_places_of_rows_are_lines_of_the_file(tmp_path):
    made = table(tmp_path, 'a,b\n1,"two\nlines"\n,\n\n3,4\n5,6\n')
    assert read(made) == ["1", "3", "5"]
    assert [made.where(number) for number in (1, 2, 3)] == [
        "t.csv, line 3, row 1",
        "t.csv, line 6, row 2",
        "t.csv, line 7, row 3",
    ]


def test_a_short_row_is_named_by_its_line(tmp_path):
    with pytest.raises(InputError, match=r"t.csv, line 4, row 2: 1 cells, the header has 2"):
        read(table(tmp_path, "a,b\n1,2\n,\n3\n"))


def test_a_first_row_that_is_no_header_is_not_shown(tmp_path):
    made = table(tmp_path, "img/1.png,Doe^Jane,1971-02-03\nimg/2.png,Roe^Max,1980-01-01\n")
    with pytest.raises(InputError, match="has no column 'a'") as refused:
        read(made)
    for cell in ("Doe", "1971", "img/1.png"):
        assert cell not in str(refused.value)


def test_near_names_are_suggested(tmp_path):
    with pytest.raises(InputError, match="did you mean 'Finding'"):
        list(table(tmp_path, "image,Finding\n1,2\n").rows(("image", "finding")))


def test_no_cell_of_a_bad_row_is_shown_that_can_be_a_name(tmp_path):
    made = table(tmp_path, "a,b\n1,Doe^Jane\n")
    message = str(made.bad_value(1, "b", "Doe^Jane", "0, 1"))
    assert message.startswith("t.csv, line 2, row 1: column 'b' is a text of 8 characters")
    assert "Doe" not in message


def test_a_second_byte_order_mark_is_no_part_of_a_name(tmp_path):
    assert read(table(tmp_path, "\ufeff\ufeffa,b\n1,2\n")) == ["1"]


def test_damaged_gzip_is_the_users_to_mend(tmp_path):
    made = table(tmp_path, "a,b\n" + "".join(f"{n},{n * n}\n" for n in range(500)), "t.csv.gz")
    data = bytearray((tmp_path / "t.csv.gz").read_bytes())
    data[20:24] = bytes(byte ^ 255 for byte in data[20:24])
    (tmp_path / "t.csv.gz").write_bytes(data)
    with pytest.raises(InputError, match=r"t\.csv\.gz, after line"):
        read(made)
