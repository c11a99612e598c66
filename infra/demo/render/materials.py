"""Procedural Cycles materials of the demo's products and rooms: ceramic, glass, leather, cloth, wood, metal.

Owns shading only; shapes decide where a material goes. Textures use object coordinates, so scales are per metre.
"""

from __future__ import annotations

import bpy

Color = tuple[float, float, float, float]


def rgb(hexcolor: str) -> Color:
    """`#rrggbb` in sRGB to linear RGBA, the space of Cycles' colour sockets."""
    parts = [int(hexcolor[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return linear[0], linear[1], linear[2], 1.0


class Shader:
    """A material under construction: a Principled node and short ways to hang textures on it."""

    def __init__(self, name: str, hexcolor: str, rough: float, **inputs: float) -> None:
        self.mat = bpy.data.materials.new(name)
        self.mat.use_nodes = True
        self.tree = self.mat.node_tree
        self.bsdf = self.tree.nodes["Principled BSDF"]
        self.set("Base Color", rgb(hexcolor))
        self.set("Roughness", rough)
        for key, value in inputs.items():
            self.set(key.replace("_", " ").title(), value)
        self.coords: bpy.types.NodeSocket | None = None

    def set(self, socket: str, value: object) -> None:
        if socket == "Ior":
            socket = "IOR"
        self.bsdf.inputs[socket].default_value = value

    def node(self, kind: str, **values: object) -> bpy.types.Node:
        made = self.tree.nodes.new(kind)
        for key, value in values.items():
            if hasattr(made, key):
                setattr(made, key, value)
            else:
                made.inputs[key.replace("_", " ").title()].default_value = value
        return made

    def link(self, source: bpy.types.NodeSocket, target: bpy.types.NodeSocket) -> None:
        self.tree.links.new(source, target)

    def at(self, scale: tuple[float, float, float] = (1, 1, 1)) -> bpy.types.NodeSocket:
        """Object coordinates, stretched by `scale`."""
        if self.coords is None:
            self.coords = self.node("ShaderNodeTexCoord").outputs["Object"]
        mapping = self.node("ShaderNodeMapping")
        mapping.inputs["Scale"].default_value = scale
        self.link(self.coords, mapping.inputs["Vector"])
        return mapping.outputs[0]

    def noise(
        self, scale: float, detail: float = 3.0, stretch: tuple[float, float, float] = (1, 1, 1)
    ) -> bpy.types.NodeSocket:
        made = self.node("ShaderNodeTexNoise", scale=scale, detail=detail)
        self.link(self.at(stretch), made.inputs["Vector"])
        return made.outputs[0]

    def cells(self, scale: float) -> bpy.types.NodeSocket:
        made = self.node("ShaderNodeTexVoronoi", scale=scale)
        self.link(self.at(), made.inputs["Vector"])
        return made.outputs["Distance"]

    def bands(self, scale: float, axis: str, profile: str = "SIN", distortion: float = 0.0) -> bpy.types.NodeSocket:
        made = self.node(
            "ShaderNodeTexWave", scale=scale, distortion=distortion, bands_direction=axis, wave_profile=profile
        )
        self.link(self.at(), made.inputs["Vector"])
        return made.outputs["Fac"]

    def blend(self, factor: bpy.types.NodeSocket, low: str, high: str, span: tuple[float, float]) -> None:
        """Colour the base from `low` to `high` as `factor` runs through `span`."""
        ramp = self.node("ShaderNodeValToRGB")
        first, last = ramp.color_ramp.elements
        first.position, last.position = span
        first.color, last.color = rgb(low), rgb(high)
        self.link(factor, ramp.inputs["Fac"])
        self.link(ramp.outputs["Color"], self.bsdf.inputs["Base Color"])

    def bump(self, height: bpy.types.NodeSocket, strength: float, distance: float) -> None:
        made = self.node("ShaderNodeBump", strength=strength, distance=distance)
        self.link(height, made.inputs["Height"])
        self.link(made.outputs[0], self.bsdf.inputs["Normal"])


def shade(hexcolor: str, factor: float) -> str:
    """The same hue, darker (< 1) or lighter (> 1)."""
    parts = [int(hexcolor[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{max(0, min(255, round(c * factor))):02x}" for c in parts)


def plain(color: str, rough: float = 0.5, **inputs: float) -> bpy.types.Material:
    return Shader("plain", color, rough, **inputs).mat


def ceramic(color: str, speckle: str = "", rough: float = 0.28) -> bpy.types.Material:
    made = Shader("ceramic", color, rough, coat_weight=0.35, coat_roughness=0.12)
    if speckle:
        made.blend(made.noise(520, 2.0), color, speckle, (0.60, 0.67))
    else:
        made.blend(made.noise(14), shade(color, 0.93), shade(color, 1.05), (0.35, 0.65))
    made.bump(made.noise(60), 0.12, 0.002)
    return made.mat


def clay(color: str) -> bpy.types.Material:
    made = Shader("clay", color, 0.85)
    made.blend(made.noise(160, 6.0), shade(color, 0.9), shade(color, 1.06), (0.3, 0.7))
    made.bump(made.noise(400), 0.35, 0.002)
    return made.mat


def glass(color: str, rough: float = 0.0) -> bpy.types.Material:
    """Tinted glass; shadow rays pass as through a coloured foil, since caustics are off."""
    made = Shader("glass", color, rough, transmission_weight=1.0, ior=1.46)
    foil = made.node("ShaderNodeBsdfTransparent")
    foil.inputs["Color"].default_value = rgb(color)
    path = made.node("ShaderNodeLightPath")
    mix = made.node("ShaderNodeMixShader")
    made.link(path.outputs["Is Shadow Ray"], mix.inputs[0])
    made.link(made.bsdf.outputs[0], mix.inputs[1])
    made.link(foil.outputs[0], mix.inputs[2])
    made.link(mix.outputs[0], made.tree.nodes["Material Output"].inputs["Surface"])
    return made.mat


def leather(color: str, rough: float = 0.42, grain: float = 420.0) -> bpy.types.Material:
    made = Shader("leather", color, rough, coat_weight=0.15, coat_roughness=0.3)
    made.blend(made.noise(70, 5.0), shade(color, 0.94), shade(color, 1.04), (0.3, 0.7))
    made.bump(made.cells(grain), 0.2, 0.0015)
    return made.mat


def cloth(
    color: str, second: str = "", pattern: str = "plain", pitch: float = 12.0, axis: str = "X"
) -> bpy.types.Material:
    """Woven cloth; `pattern` is plain, stripe (two colours) or cord (raised ribs); `pitch` counts bands a metre."""
    made = Shader("cloth", color, 0.9, sheen_weight=0.35)
    if pattern == "stripe":
        made.blend(made.bands(pitch, axis), color, second, (0.66, 0.68))
    else:
        made.blend(made.noise(320, 4.0), shade(color, 0.9), shade(color, 1.06), (0.3, 0.7))
    if pattern == "cord":
        made.bump(made.bands(pitch, axis), 0.9, 0.006)
    else:
        made.bump(made.noise(900, 1.0), 0.4, 0.002)
    return made.mat


def boucle(color: str) -> bpy.types.Material:
    made = Shader("boucle", color, 0.95, sheen_weight=0.6)
    made.blend(made.cells(110), shade(color, 1.06), shade(color, 0.78), (0.1, 0.75))
    made.bump(made.cells(110), 1.0, 0.006)
    return made.mat


def wood(color: str, axis: str = "Z", rough: float = 0.5) -> bpy.types.Material:
    """Long grain along `axis`."""
    stretch = {"X": (0.08, 1, 1), "Y": (1, 0.08, 1), "Z": (1, 1, 0.08)}[axis]
    made = Shader("wood", color, rough, coat_weight=0.1)
    grain = made.noise(55, 6.0, stretch)
    made.blend(grain, shade(color, 0.72), shade(color, 1.14), (0.32, 0.66))
    made.bump(grain, 0.15, 0.002)
    return made.mat


def planks(color: str) -> bpy.types.Material:
    """Floorboards along y: each board its own tone, dark joints."""
    made = Shader("planks", color, 0.42, coat_weight=0.15)
    boards = made.node("ShaderNodeTexBrick", scale=1.0, brick_width=1.3, row_height=0.13, mortar_size=0.0022)
    for socket, factor in (("Color1", 0.86), ("Color2", 1.1), ("Mortar", 0.35)):
        boards.inputs[socket].default_value = rgb(shade(color, factor))
    turned = made.at()
    turned.node.inputs["Rotation"].default_value = (0, 0, 1.5708)
    made.link(turned, boards.inputs["Vector"])
    grain = made.node("ShaderNodeMix", data_type="RGBA", blend_type="MULTIPLY")
    grain.inputs["Factor"].default_value = 0.35
    made.link(boards.outputs["Color"], grain.inputs["A"])
    made.link(made.noise(40, 6.0, (1, 0.05, 1)), grain.inputs["B"])
    made.link(grain.outputs["Result"], made.bsdf.inputs["Base Color"])
    return made.mat


def plaster(color: str) -> bpy.types.Material:
    made = Shader("plaster", color, 0.92)
    made.blend(made.noise(1.6, 5.0), shade(color, 0.95), shade(color, 1.03), (0.3, 0.7))
    made.bump(made.noise(35, 5.0), 0.12, 0.006)
    return made.mat


def tiles(color: str, joint: str, size: float = 0.1) -> bpy.types.Material:
    """Square glazed tiles on a wall that faces -y."""
    made = Shader("tiles", color, 0.2, coat_weight=0.4)
    grid = made.node("ShaderNodeTexBrick", offset=0.0, scale=1.0, brick_width=size, row_height=size, mortar_size=0.0022)
    for socket, tone in (("Color1", shade(color, 0.94)), ("Color2", shade(color, 1.05)), ("Mortar", joint)):
        grid.inputs[socket].default_value = rgb(tone)
    upright = made.at()
    upright.node.inputs["Rotation"].default_value = (-1.5708, 0, 0)
    made.link(upright, grid.inputs["Vector"])
    made.link(grid.outputs["Color"], made.bsdf.inputs["Base Color"])
    made.bump(grid.outputs["Fac"], -0.5, 0.002)
    return made.mat


def metal(color: str, rough: float = 0.25) -> bpy.types.Material:
    return Shader("metal", color, rough, metallic=1.0).mat


def glow(color: str, strength: float) -> bpy.types.Material:
    made = Shader("glow", color, 0.8)
    made.set("Emission Color", rgb(color))
    made.set("Emission Strength", strength)
    return made.mat


def lampshade(color: str, strength: float = 0.7) -> bpy.types.Material:
    """Cloth lit from within: cheaper and less noisy than light that is traced through it."""
    made = Shader("lampshade", color, 0.9)
    made.bump(made.noise(700, 1.0), 0.3, 0.002)
    made.set("Emission Color", rgb(color))
    made.set("Emission Strength", strength)
    return made.mat
