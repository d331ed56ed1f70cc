"""The certificate of a block: kept states are copies, whatever the caller does with its memory."""

import numpy as np

from musyq_cube.normalize._pairs import accumulate
from musyq_cube.normalize.rules import Rules
from musyq_cube.run.certify import NATIVE, Certifier

TIME = np.array(["2020-06-01T10:00", "2020-06-01T10:30"], "datetime64[ns]")
SENSORS = ["a", "b"]


def test_a_step_that_leaves_bands_alone_is_compared_as_it_was() -> None:
    """The stack is overwritten by the result before the partner comes."""
    rng = np.random.default_rng(0)
    stack = rng.uniform(0.1, 0.3, (2, 20, 20)).astype(np.float32)
    native, final = stack.copy(), (stack * np.float32(0.5))
    rules = Rules(("atmosphere", "direction"))
    certifier = Certifier(TIME, SENSORS, rules)
    for t in (0, 1):
        now = {"red": stack[t]}
        certifier.begin(t, now)
        certifier.step(t, "atmosphere", {"red": now["red"]})  # surface reflectance already: nothing is done
        certifier.step(t, "direction", {"red": final[t]})
        certifier.end(t)
        stack[t] = final[t]
    states = {NATIVE: native, "atmosphere": native, "direction": final}
    expected = accumulate({step: {"red": values} for step, values in states.items()}, TIME, SENSORS)
    assert certifier.sums == expected
    assert not certifier._kept
