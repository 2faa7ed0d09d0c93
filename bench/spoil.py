"""What may befall observations in the field.

Each way takes a scene and the chance, and gives the scene that became of it.
"""

from __future__ import annotations

import random

from bench import spoil_phases as phases
from bench import spoil_reception as reception
from bench.scenery import Scene, Spoil


def several(scene: Scene, rng: random.Random) -> Scene:
    """Two or three of these at once."""
    for spoil in rng.sample(list(SINGLE.values()), rng.choice((2, 2, 3))):
        scene = spoil(scene, rng)
    return scene


SINGLE: dict[str, Spoil] = {
    "systems left out": reception.fewer_systems,
    "carriers left out": reception.fewer_bands,
    "first carrier alone": reception.first_band,
    "5 to 14 satellites": reception.fewer_satellites,
    "mask of 5 to 30°": reception.other_mask,
    "base every 5 to 30 s": reception.rare_base,
    "base 1 to 20 s late": reception.late_base,
    "gaps": reception.gaps,
    "satellites come and go": reception.blocked,
    "bridges": reception.bridges,
    "times repeated and backwards": reception.broken_times,
    "slips": phases.slips,
    "1 or 2 satellites biased": phases.one_bias,
    "a fifth reflected": phases.reflected_fifth,
    "a third reflected": phases.reflected_third,
    "a fifth by detours alone": phases.hidden_fifth,
    "a fifth swings 8 m and 16 cm": phases.harsh_fifth,
    "orbits wrong": phases.wrong_orbits,
    "ionosphere leans": phases.far_sky,
}
SPOILS: dict[str, Spoil] = {
    "as recorded": reception.plain,
    **SINGLE,
    "base announced 5 or 30 m off": phases.wrong_base,
    "two or three of these": several,
}
