"""What models are told of what models of other modalities made."""

import pytest

from pluggably.domain.crossing import begins_with_a_picture, brief, retold
from pluggably.domain.errors import InvalidRequest
from pluggably.domain.generation import ArtifactPart, Message, Role, TextPart, text_message
from pluggably.domain.model import Modality
from tests.builders import a_model

PICTURE = ArtifactPart(artifact_id="art_1", media_type="image/png", size_bytes=9, sha256="ab")
OTHER = ArtifactPart(artifact_id="art_2", media_type="image/jpeg", size_bytes=9, sha256="cd")
MESH = ArtifactPart(artifact_id="art_3", media_type="model/gltf-binary", size_bytes=9, sha256="ef")


def said(*parts, role=Role.USER) -> Message:
    return Message(role, tuple(TextPart(it) if isinstance(it, str) else it for it in parts))


def a_painter(*capabilities: str):
    return a_model("painter", modality=Modality.IMAGE, capabilities=frozenset(capabilities))


def test_a_text_model_is_told_of_pictures_and_meshes_in_words():
    conversation = [
        said("A red circle"),
        said(PICTURE, role=Role.ASSISTANT),
        said(MESH, role=Role.ASSISTANT),
        said(OTHER),
    ]
    told = [message.text for message in retold(conversation, a_model("tiny"))]
    assert told == [
        "A red circle",
        "[A picture was made here: image/png]",
        "[A 3D model was made here: model/gltf-binary]",
        "[A picture was shown here: image/jpeg]",
    ]


def test_a_model_that_sees_is_shown_the_pictures_and_told_of_the_rest():
    seeing = a_model("tiny", capabilities=frozenset({"vision"}))
    (told,) = retold([said(PICTURE, MESH)], seeing)
    assert told.parts[0] == PICTURE
    assert isinstance(told.parts[1], TextPart)


def test_a_conversation_of_words_stays_as_it_is():
    conversation = (text_message(Role.USER, "Hello"), text_message(Role.ASSISTANT, "Hello."))
    assert retold(conversation, a_model("tiny")) == conversation


def test_a_model_that_begins_with_words_is_told_those_of_the_request_alone():
    context = [said("A red circle"), said(PICTURE, role=Role.ASSISTANT)]
    made = brief(context, [said("A blue square")], a_painter("text-to-image", "image-to-image"), edits=False)
    assert (made.words, made.pictures) == ("A blue square", ())


def test_a_model_that_needs_a_picture_begins_with_the_one_that_is_shown_or_else_the_last_one():
    context = [said(OTHER), said(PICTURE, role=Role.ASSISTANT)]
    model = a_painter("image-to-3d")
    assert brief(context, [said("Make it 3D")], model, edits=False).pictures == (PICTURE,)
    assert brief(context, [said("Make it 3D", OTHER)], model, edits=False).pictures == (OTHER,)


def test_an_edit_begins_with_the_last_picture():
    context = [said(PICTURE, role=Role.ASSISTANT)]
    made = brief(context, [said("Make it blue")], a_painter("text-to-image", "image-to-image"), edits=True)
    assert made.pictures == (PICTURE,)


@pytest.mark.parametrize(
    ("capabilities", "request_", "edits", "what"),
    [
        ({"text-to-image"}, said("A circle", PICTURE), False, "words only"),
        ({"image-to-3d"}, said("Make it 3D"), False, "must show a picture"),
        ({"text-to-image", "image-to-image"}, said("Make it blue"), True, "must show a picture"),
        ({"text-to-image"}, said(""), False, "must say what to make"),
    ],
)
def test_what_a_model_cannot_begin_with_is_refused(capabilities, request_, edits, what):
    with pytest.raises(InvalidRequest, match=what):
        brief([], [request_], a_painter(*capabilities), edits=edits)


def test_a_mesh_of_what_was_made_just_before_begins_with_it():
    made = [said("A red circle"), said(PICTURE, role=Role.ASSISTANT)]
    asked = [said("Make it 3D")]
    assert begins_with_a_picture(made, asked, Modality.MODEL_3D)
    assert not begins_with_a_picture(made, asked, Modality.IMAGE)
    assert not begins_with_a_picture(
        [*made, said("Thanks"), said("Yes.", role=Role.ASSISTANT)], asked, Modality.MODEL_3D
    )
    assert begins_with_a_picture([], [said(PICTURE)], Modality.IMAGE)
