"""Hardware profiles are data that the program and its users can add to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import InspectorError, RecipeError
from inspector.quant.spec import DTYPES, LayerSpecs, QuantSpec
from inspector.session.recipe import Recipe
from inspector.session.target_profile import ASSUMED, Target
from inspector.session.target_reader import MAX_BYTES, read_profile
from inspector.session.targets import (
    FOLDER_VARIABLE,
    TargetInfo,
    add_target,
    install_target,
    is_profile_path,
    list_targets,
    load_target,
    target_names,
    user_folder,
)

SHIPPED = (
    "amct", "generic", "ncnn", "ort-cpu", "qnn", "rknn", "tensorrt", "tflite-micro", "tidl",
    "tidl-tda4vm",
)  # fmt: skip
HEAD = 'title = "My NPU"\ndescription = "Of my board."\n'
FORM = '[[weights]]\ndtypes = ["int8"]\ngranularities = ["tensor"]\nsource = "Data sheet, 3"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's profiles that no other test sees."""
    found = tmp_path / "profiles"
    found.mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(found))
    monkeypatch.setattr("inspector.session.targets._added", {})
    return found


def _info(name: str) -> TargetInfo:
    return next(info for info in list_targets() if info.name == name)


# Those of the program ---------------------------------------------------------------------------


def test_the_targets_are_there() -> None:
    """And none by accident."""
    assert target_names() == SHIPPED
    infos = list_targets()
    assert {info.name for info in infos} == set(SHIPPED)
    assert not any(info.problem or info.own for info in infos)
    titles = [info.title for info in infos]
    assert titles == sorted(titles, key=str.lower)
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_entry_names_its_source(name: str) -> None:
    """A document and where in it; and its types are ones that a spec can name."""
    target = load_target(name)
    assert target.title
    assert len(target.title) <= 24
    assert target.description.endswith(".")
    assert set(target.dtypes) <= set(DTYPES)
    tables = (target.operators, target.weights, target.activations, target.pairs, target.biases)
    entries = [entry for table in (*tables, target.accumulators) for entry in table]
    assert entries
    for entry in entries:
        assert len(entry.source) > 20
        assert "," in entry.source


@pytest.mark.parametrize("name", SHIPPED)
def test_the_text_of_a_profile_is_readable(name: str) -> None:
    """A comment says what it is about; nothing was left to be done."""
    text = (load_target(name).path or Path()).read_text("utf-8")
    assert text.startswith("# ")
    assert "TODO" not in text


def test_onnxruntime_gains_types_with_the_opset() -> None:
    """As the operator changelog has it."""
    opsets: dict[str, int] = {}
    for form in load_target("ort-cpu").weights:
        for dtype in form.dtypes:
            opsets.setdefault(dtype, form.opset)
    assert [opsets[dtype] for dtype in ("int8", "fp8e4m3", "int4", "uint2")] == [13, 19, 21, 25]


def test_only_onnxruntime_on_the_cpu_wants_unsigned_codes() -> None:
    """The others say nothing of kernels that saturate."""
    assert [name for name in SHIPPED if load_target(name).unsigned_kernels] == ["ort-cpu"]


@pytest.mark.parametrize(
    ("name", "operator", "activations", "bits"),
    [
        ("ort-cpu", "Conv", "uint8", 32),
        ("ort-cpu", "product", "uint8", 32),
        ("tflite-micro", "Conv", "int8", 32),
        ("tflite-micro", "Conv", "int16", 64),
        ("tidl", "Gemm", "uint8", 32),
        ("tidl", "Gemm", "int16", 64),
        ("ncnn", "Conv", "int8", 32),
    ],
)
def test_accumulators_are_as_wide_as_a_source_says(
    name: str, operator: str, activations: str, bits: int
) -> None:
    """By the operator and by what it reads."""
    found = load_target(name).accumulator(operator, activations)
    assert (found.bits, found.source != "") == (bits, True)


def test_accumulators_that_no_source_tells_of_have_32_bits() -> None:
    """And say that they are assumed."""
    for name, operator in (("generic", "Conv"), ("ncnn", "Gemm"), ("rknn", "Conv")):
        assert load_target(name).accumulator(operator, "int8") is ASSUMED


@pytest.mark.parametrize("name", ["", "ort", "../ort-cpu", "ORT-CPU", "x" * 300, "a\nb"])
def test_there_is_no_other_target(name: str) -> None:
    """A name is no path."""
    with pytest.raises(RecipeError, match=r"(?s)no target.*generic, .*ort-cpu") as caught:
        load_target(name)
    assert len(caught.value.message) < 120


def test_a_profile_is_read_once() -> None:
    """So that it can be compared by identity, and judged quickly."""
    assert load_target("tensorrt") is load_target("tensorrt")


# Those of a user --------------------------------------------------------------------------------


def test_a_file_in_the_folder_is_a_target(folder: Path) -> None:
    """Under its name without the ending, and a recipe may have it."""
    (folder / "my-npu.toml").write_text(HEAD + FORM, "utf-8")
    assert "my-npu" in target_names()
    target = load_target("my-npu")
    assert (target.title, target.dtypes) == ("My NPU", ("int8",))
    assert target.sources == ("Data sheet, 3",)
    assert _info("my-npu").own
    Recipe(target="my-npu").check()


def test_a_changed_file_is_read_again(folder: Path) -> None:
    """Whoever writes a profile tries it out."""
    path = folder / "my-npu.toml"
    path.write_text(HEAD + FORM, "utf-8")
    assert load_target("my-npu").title == "My NPU"
    path.write_text(HEAD.replace("My", "Our") + FORM, "utf-8")
    os.utime(path, ns=(1, 1))
    assert load_target("my-npu").title == "Our NPU"


def test_a_file_elsewhere_can_be_added_for_now(tmp_path: Path) -> None:
    """As `--target FILE.toml` does."""
    path = tmp_path / "bench.v2.toml"
    path.write_text(HEAD + FORM, "utf-8")
    assert add_target(path) == "bench.v2"
    assert load_target("bench.v2").path == path
    assert "bench.v2" in target_names()


def test_a_file_can_be_kept(tmp_path: Path, folder: Path) -> None:
    """In the user's folder, which is made; once more does no harm."""
    folder.rmdir()
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + FORM, "utf-8")
    assert install_target(path) == "mine"
    assert install_target(folder / "mine.toml") == "mine"
    path.unlink()
    assert load_target("mine").path == folder / "mine.toml"


def test_a_bad_file_is_not_kept(tmp_path: Path, folder: Path) -> None:
    """It is refused where it is."""
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + "frob = 1\n" + FORM, "utf-8")
    with pytest.raises(RecipeError, match=r"line 3: frob is not known"):
        install_target(path)
    assert list(folder.iterdir()) == []
    assert "mine" not in target_names()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ort-cpu.toml", "the program has one of that name"),
        ("my npu.toml", "letters, digits"),
        ("-x.toml", "letters, digits"),
        (".toml", "letters, digits"),
        ("目标.toml", "letters, digits"),
        ("x" * 65 + ".toml", "letters, digits"),
        ("<script>.toml", "letters, digits"),
        ("a\nb.toml", "letters, digits"),
    ],
)
def test_names_that_no_target_may_have(tmp_path: Path, name: str, message: str) -> None:
    """Told on one line, whatever the name."""
    path = tmp_path / name
    path.write_text(HEAD + FORM, "utf-8")
    with pytest.raises(RecipeError, match=message) as caught:
        add_target(path)
    assert "\n" not in str(caught.value)


def test_a_list_says_why_a_file_cannot_be_chosen(folder: Path) -> None:
    """Wrong inside, named like one of the program's, or named like nothing."""
    (folder / "broken.toml").write_text("title = ", "utf-8")
    (folder / "tensorrt.toml").write_text(HEAD + FORM, "utf-8")
    (folder / "my\nnpu.toml").write_text(HEAD + FORM, "utf-8")
    assert "not valid TOML" in _info("broken").problem
    assert load_target("tensorrt").title == "TensorRT"
    refused = {info.title: info.problem for info in list_targets() if not info.name}
    assert set(refused) == {"tensorrt.toml", "my npu.toml"}
    assert "another" in refused["tensorrt.toml"]
    assert "letters, digits" in refused["my npu.toml"]


@pytest.mark.parametrize("kind", ["missing", "a file", "a loop"])
def test_a_folder_that_cannot_be_read_has_no_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Nothing fails for it."""
    path = tmp_path / "nowhere"
    if kind == "a file":
        path.write_text("x")
    elif kind == "a loop":
        path.symlink_to(path)
    monkeypatch.setenv(FOLDER_VARIABLE, str(path))
    assert target_names() == SHIPPED


def test_where_the_folder_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The variable first, then where the system keeps settings."""
    monkeypatch.delenv(FOLDER_VARIABLE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert user_folder() == tmp_path / "quant-inspector" / "targets"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert user_folder() == tmp_path / "home" / ".config" / "quant-inspector" / "targets"


@pytest.mark.parametrize("text", ["a.toml", "A.TOML", "./a", "/x/y"])
def test_what_is_a_path(text: str) -> None:
    """And not a name."""
    assert is_profile_path(text)
    assert not is_profile_path("ort-cpu")


# The schema -------------------------------------------------------------------------------------


def _error(text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        read_profile(text, "mine", Path("mine.toml"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FORM, 'title is missing. Write a text in quotes, such as title = "My NPU".'),
        (HEAD.replace('"My NPU"', "3") + FORM, "line 1: title is 3, not a text."),
        (HEAD.replace("My NPU", "x" * 81) + FORM, "title has 81 characters."),
        (HEAD + FORM.replace("weights", "weigths"), "Did you mean 'weights'"),
        (HEAD + FORM.replace("int8", "int88"), "dtypes in [[weights]] number 1 has 'int88'"),
        (HEAD + FORM.replace("int8", "float"), "'float', which is not a type"),
        (HEAD + FORM.replace('["int8"]', '"int8"'), 'line 4: dtypes in [[weights]] number'),
        (HEAD + FORM.replace('["int8"]', "[]"), "dtypes in [[weights]] number 1 is empty."),
        (HEAD + FORM.replace("tensor", "row"), "There are: tensor, channel, block."),
        (HEAD + FORM.replace("source", "sauce"), "Did you mean 'source'?"),
        (HEAD + FORM.split("source")[0], "source in [[weights]] number 1 is missing."),
        (HEAD + FORM + "symmetric = 1\n", "symmetric in [[weights]] number 1 is 1, neither true"),
        (HEAD + FORM + "block_sizes = [32]\n", "is given, but no blocks are taken."),
        (HEAD + FORM + "opset = 0\n", "opset in [[weights]] number 1 has 0."),
        (HEAD + FORM + "opset = true\n", "has True. Write whole numbers from 1 to 1000."),
        (HEAD + FORM + FORM + "opset = 13.0\n", "number 2 has 13.0."),
        (HEAD + FORM + 'operators = [3]\n', "has 3, which is not an operator, such as Conv"),
        (HEAD + FORM.replace("[[weights]]", "[weights]"), "weights is not a list of tables."),
        (HEAD + "default = 3\n", "default is not a table."),
        (HEAD + '[default]\nweights = "int8"\nsource = "x"\n', "activations in [default] is"),
        (HEAD + '[default]\nweights = "int8:frob"\n', "weights in [default] is wrong: In"),
        (HEAD + "[[pair]]\nweights = ['int8']\nsource = 'x'\n", "activations in [[pair]] number 1"),
        (HEAD + "[[bias]]\ndtypes = ['int3']\nsource = 'x'\n", "'int3', which is not a type of a"),
        (HEAD + "[[accumulator]]\nsource = 'x'\n", "bits in [[accumulator]] number 1 is missing"),
        (HEAD + "[[operator]]\nnames = ['Conv']\nranks = [99]\n", "whole numbers from 1 to 16"),
        ("title = ", "mine.toml is not valid TOML"),
        ("x" * (MAX_BYTES + 1), "is larger than 256 kB"),
        ("x = " + "[" * 20_000, "mine.toml is n"),
        ("x = " + "9" * 5000, "mine.toml is not valid TOML"),
        (HEAD + FORM.replace("int8", "<script>\\n" + "x" * 300), "which is not a type"),
        (HEAD + FORM * 201, "has 201 entries."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    """The file, the line, the entry, what is wrong and what would be right; on one line."""
    said = _error(text)
    assert said.startswith("mine.toml")
    assert message in said
    assert "\n" not in said
    assert len(said) < 600


KEYS = st.sampled_from(
    ["title", "description", "unsigned_kernels", "default", "operator", "weights", "pair", "bias"]
)


@given(KEYS, st.text(max_size=60))
def test_no_text_makes_it_stumble(key: str, text: str) -> None:
    """It is a profile, or an error of ours."""
    try:
        found = read_profile(f"{key} = {text}", "mine")
    except InspectorError:
        return
    assert isinstance(found, Target)


@given(st.text(alphabet="[]\"'=#ab\n .weights12", max_size=80))
def test_no_lines_make_it_stumble(text: str) -> None:
    """Also below a good head."""
    try:
        found = read_profile(HEAD + FORM + text, "mine")
    except InspectorError:
        return
    assert found.weights[0].dtypes == ("int8",)


def test_defaults_are_specs() -> None:
    """As in a recipe."""
    text = '[default]\nweights = "int4"\nactivations = "float"\nsource = "Data sheet, 4"\n'
    default = read_profile(HEAD + text, "mine").default
    assert default is not None
    assert default.specs == LayerSpecs(QuantSpec("int4"), QuantSpec("float"))
