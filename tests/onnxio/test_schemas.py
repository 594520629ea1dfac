"""What the standard and the model say of operators."""

from __future__ import annotations

import onnx.defs
import pytest
from onnx import TensorProto, helper

from inspector.onnxio.loading import model_of
from inspector.onnxio.schemas import function_doc, operator_doc
from inspector.onnxio.tensors import type_of_attribute


def test_an_operator_is_documented_in_the_form_of_its_opset() -> None:
    """BatchNormalization was changed in versions 9 and 15."""
    old, new = (
        operator_doc("BatchNormalization", "", 13),
        operator_doc("BatchNormalization", "", 17),
    )
    assert old is not None
    assert new is not None
    assert (old.since, new.since) == (9, 15)
    assert [value.name for value in new.inputs][:2] == ["X", "scale"]
    epsilon = new.attribute("epsilon")
    assert epsilon is not None
    assert epsilon.default == pytest.approx(1e-5)
    assert epsilon.type == "float"
    assert epsilon.doc
    assert new.attribute("no_such") is None
    assert operator_doc("BatchNormalization", "ai.onnx", 17) == new


def test_what_must_be_set_and_what_may_be_left_out_is_told() -> None:
    """Required attributes, optional inputs, and inputs of any number."""
    concat, conv = operator_doc("Concat", "", 13), operator_doc("Conv", "", 13)
    assert concat is not None
    assert conv is not None
    axis = concat.attribute("axis")
    assert axis is not None
    assert axis.required
    assert [value.use for value in conv.inputs] == ["single", "single", "optional"]
    assert concat.input_at(7) == concat.inputs[0]
    assert conv.input_at(3) is None
    assert conv.output_at(0) is not None


@pytest.mark.parametrize(
    ("operator", "domain"),
    [("Attention", "com.microsoft"), ("NoSuch", ""), ("", ""), ("名前", ""), ("Conv", "\udcff")],
)
def test_what_the_standard_does_not_have_has_no_documentation(operator: str, domain: str) -> None:
    """Unknown operators and domains are no error."""
    assert operator_doc(operator, domain, 17) is None


def test_an_operator_newer_than_the_model_has_none() -> None:
    """LayerNormalization came with version 17; 0 asks for the newest."""
    assert operator_doc("LayerNormalization", "", 16) is None
    assert operator_doc("LayerNormalization", "", 0) is not None
    other = operator_doc("Scaler", "ai.onnx.ml", 1)
    assert other is not None
    assert other.domain == "ai.onnx.ml"


def test_a_function_of_the_model_documents_itself() -> None:
    """Its inputs, outputs, attributes with defaults, and its text."""
    function = helper.make_function(
        "mine",
        "Twice",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
        ["must"],
        [helper.make_attribute("may", 3)],
    )
    function.doc_string = "Twice as much."
    graph = helper.make_graph(
        [helper.make_node("Twice", ["x"], ["y"], domain="mine", must=1)],
        "g",
        [helper.make_tensor_value_info("x", 1, [2])],
        [helper.make_tensor_value_info("y", 1, [2])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    model = model_of(
        helper.make_model(graph, opset_imports=opsets, functions=[function], ir_version=9)
    )
    doc = function_doc(model, "Twice", "mine")
    assert doc is not None
    assert doc.summary == "Twice as much."
    assert [(a.name, a.default, a.required) for a in doc.attributes] == [
        ("may", 3, False),
        ("must", None, True),
    ]
    assert doc.input_at(0) is not None
    assert function_doc(model, "Twice", "") is None
    assert function_doc(model, "Thrice", "mine") is None


def test_attributes_that_are_types_are_told_from_numbers() -> None:
    """By onnx's own words: what each attribute of these names says of itself."""
    told = {
        attribute.name: attribute.description
        for schema in onnx.defs.get_all_schemas_with_history()
        for attribute in schema.attributes.values()
        if type_of_attribute(schema.domain, attribute.name, TensorProto.BFLOAT16) == "bfloat16"
    }
    assert {"to", "dtype", "output_dtype", "stash_type"} <= told.keys()
    assert all("type" in text or "precision" in text for text in told.values())
    assert type_of_attribute("", "axis", TensorProto.BFLOAT16) == ""
    assert type_of_attribute("", "to", 9999) == ""
    assert type_of_attribute("mine", "to", TensorProto.BFLOAT16) == ""
