"""Parts of a model that yield and stay bent, which only MuJoCo's C engine computes.

    plastic_parts(model)                                    # ("joint 'hinge'", "flex 'dough'")

MJX-JAX and MJX-Warp take such a model without a word and let it spring back.
"""

import mujoco


def plastic_parts(model: mujoco.MjModel) -> tuple[str, ...]:
    """Joints and tendons with a `springyield` and flexes with a `yield`, by kind and name. Elastic rods are none of them."""
    kinds = (
        ("joint", mujoco.mjtObj.mjOBJ_JOINT, model.jnt_plasticadr >= 0),
        ("tendon", mujoco.mjtObj.mjOBJ_TENDON, model.tendon_plasticadr >= 0),
        ("flex", mujoco.mjtObj.mjOBJ_FLEX, model.flex_plasticmode != 0),
    )
    return tuple(
        f"{kind} {mujoco.mj_id2name(model, obj, i) or i!r}" for kind, obj, yields in kinds for i in yields.nonzero()[0].tolist()
    )
