"""What is found out about meshes: compared with trimesh, which also makes them."""

import io
import struct

import pytest
import trimesh
from trimesh.transformations import rotation_matrix, scale_matrix, translation_matrix

from pluggably.adapters.memory.media import glb as tetrahedron
from pluggably.adapters.providers.meshes.files import mesh_in
from pluggably.domain.errors import ProviderBadResponse

from ...meshes import glb, obj, redescribed, scene

GLB = glb()


@pytest.fixture
def found(tmp_path):
    def found(content: bytes, kind: str = "glb"):
        path = tmp_path / "mesh"
        path.write_bytes(content)
        return mesh_in(path, kind, "acme")

    return found


def near(bounds):
    return [pytest.approx(list(corner)) for corner in bounds]


def test_a_mesh_is_counted_and_measured(found):
    file = found(GLB)
    assert file.media_type == "model/gltf-binary"
    assert (file.facts["vertices"], file.facts["faces"]) == (8, 12)
    assert file.facts["bounds"] == [[-1, -2, -3], [1, 2, 3]]


@pytest.mark.parametrize(
    "place",
    [
        translation_matrix((5, 0, -1)),
        scale_matrix(3),
        rotation_matrix(1.5707963267948966, (0, 0, 1)),
        translation_matrix((1, 2, 3)) @ rotation_matrix(3.141592653589793, (1, 0, 0)) @ scale_matrix(0.5),
    ],
)
def test_a_mesh_is_measured_where_its_scene_puts_it(found, place):
    made = scene(place, translation_matrix((0, 20, 0)))
    facts = found(glb(made)).facts
    assert (facts["vertices"], facts["faces"]) == (16, 24)
    assert facts["bounds"] == near(made.bounds)


def test_a_place_in_parts_means_the_same_as_a_matrix(found):
    def in_parts(described):
        node = next(node for node in described["nodes"] if "mesh" in node)
        node.pop("matrix", None)
        turn = [0, 0, 0.7071067811865476, 0.7071067811865476]  # a quarter about z
        node.update(translation=[10, 0, 0], rotation=turn, scale=[2, 1, 1])

    bounds = found(redescribed(GLB, in_parts)).facts["bounds"]
    assert bounds == near([[8, -2, -3], [12, 2, 3]])


def test_a_node_is_where_those_above_it_put_it(found):
    def nested(described):
        number, node = next((number, it) for number, it in enumerate(described["nodes"]) if "mesh" in it)
        node.pop("matrix", None)
        node["translation"] = [10, 0, 0]
        described["nodes"].append({"children": [number], "scale": [2, 2, 2], "rotation": [0, 0, 1, 0]})
        described["scenes"] = [{"nodes": [len(described["nodes"]) - 1]}]
        described["nodes"] = [
            {key: it for key, it in node.items() if key != "children" or node is described["nodes"][-1]}
            for node in described["nodes"]
        ]

    content = redescribed(GLB, nested)
    assert found(content).facts["bounds"] == near(trimesh.load(io.BytesIO(content), file_type="glb").bounds)
    assert found(content).facts["bounds"] == near([[-22, -4, -6], [-18, 4, 6]])


def test_quantized_positions_are_measured_as_what_they_stand_for(found):
    def quantized(described):
        positions = described["meshes"][0]["primitives"][0]["attributes"]["POSITION"]
        facts = {"componentType": 5122, "normalized": True, "min": [-32767, 0, 0], "max": [32767, 32767, 0]}
        described["accessors"][positions].update(facts)

    assert found(redescribed(GLB, quantized)).facts["bounds"] == [[-1, 0, 0], [1, 1, 0]]


def test_a_description_without_a_scene_is_read_from_its_roots(found):
    def sceneless(described):
        del described["scenes"], described["scene"]

    assert found(redescribed(GLB, sceneless)).facts["faces"] == 12


def test_strips_are_counted_as_triangles(found):
    def strip(described):
        described["meshes"][0]["primitives"][0]["mode"] = 5

    assert found(redescribed(GLB, strip)).facts["faces"] == 34


def test_another_writers_mesh_is_read_too(found):
    assert found(tetrahedron((1, 2, 3))).facts["faces"] == 4


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "ends amid its header"),
        (GLB[:11], "ends amid its header"),
        (b"<html>Not found</html>" * 9, "does not begin as one"),
        (b"glTF" + struct.pack("<I", 1) + GLB[8:], "another version"),
        (GLB[:-1], "bytes, and says"),
        (GLB + b"\0", "bytes, and says"),
        (GLB[:8] + struct.pack("<I", 300) + GLB[12:300], "ends amid|no description"),
        (GLB[:12] + struct.pack("<I", 2**31) + GLB[16:], "no description"),
        (GLB[:20] + b"[" + GLB[21:], "makes no sense"),
        (GLB[:20] + b"\xff" + GLB[21:], "makes no sense"),
    ],
)
def test_what_is_no_whole_glb_file_is_refused(found, content, why):
    with pytest.raises(ProviderBadResponse, match=why):
        found(content)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda it: it["buffers"][0].update(uri="https://files.test/0.bin"), "names other files"),
        (lambda it: it.update(images=[{"uri": "texture.png"}]), "names other files"),
        (lambda it: it.update(meshes=[]), "makes no sense"),
        (lambda it: it.update(nodes=[], scenes=[{"nodes": []}]), "no surface"),
        (lambda it: it["meshes"][0]["primitives"][0].update(mode=0), "no surface"),
        (lambda it: it["meshes"][0]["primitives"][0].update(attributes={}), "does not have"),
        (lambda it: it["nodes"][0].update(children=[0]), "in circles"),
        (lambda it: it["scenes"][0].update(nodes=[-1]), "does not have"),
        (lambda it: [accessor.pop("max", None) for accessor in it["accessors"]], "how large"),
        (lambda it: it["nodes"][0].update(matrix=[1]), "makes no sense"),
        (lambda it: it["accessors"][0].update(count="many"), "makes no sense"),
    ],
)
def test_a_description_that_is_of_no_mesh_is_refused(found, change, why):
    with pytest.raises(ProviderBadResponse, match=why):
        found(redescribed(GLB, change))


def test_an_obj_file_is_counted(found):
    file = found(obj(), "obj")
    assert (file.media_type, file.facts["vertices"], file.facts["faces"]) == ("model/obj", 8, 12)


def test_the_lines_of_a_large_obj_file_are_counted_once_each(found):
    content = b"# " + b"x" * (2**20 - 5) + b"\nv 0 0 0\nvn 0 0 1\nf 1 1 1\r\nf 1 1 1" * 70_000
    facts = found(content, "obj").facts
    assert (facts["vertices"], facts["faces"]) == (70_000, 140_000)


@pytest.mark.parametrize("content", [b"", b"<html>", b"v 0 0 0\n", b"f 1 1 1\n", b"v 0 0 0\nf 1 1 1\n\0", GLB])
def test_what_is_no_obj_file_is_refused(found, content):
    with pytest.raises(ProviderBadResponse):
        found(content, "obj")
